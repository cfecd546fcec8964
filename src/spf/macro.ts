/**
 * Macro strings (RFC 7208 §7): parsed once, expanded for each evaluation. Both are linear in their input. What an expansion
 * may cost is bounded by what it is for: a name needs no more than its last 254 characters, an explanation no more than its
 * first, however many macros a record holds.
 */
import { asciiLowerCase, asciiUpperCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import { dottedForm, type SpfClient } from "./client-address.ts";
import { nameLengthMax, queryNameOf } from "./dns-name.ts";

export interface MacroString {
  readonly parts: readonly MacroPart[];
  /** `%{p}` occurs: the client's names must be known before an expansion. */
  readonly usesClientName: boolean;
  /** `%{s}` or `%{l}` occurs: nothing can match for a local-part outside of ASCII (RFC 8616 §4). */
  readonly usesLocalPart: boolean;
  /** Macros occur whose value is the sender's or the client's: nobody can say beforehand what this expands to. */
  readonly variesBySender: boolean;
}

type MacroPart = string | Macro;

interface Macro {
  readonly letter: MacroLetter;
  /** Written in upper case: the value is URL-escaped. */
  readonly escaped: boolean;
  /** How many parts are kept, from the right; 0: all. */
  readonly kept: number;
  readonly reversed: boolean;
  /** "": the default, a dot. */
  readonly delimiters: string;
}

type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "v" | "h" | "c" | "r" | "t";

/** What macros stand for. `%{d}`, the domain under evaluation, changes with include and redirect and comes separately. */
export interface MacroValues {
  readonly localPart: string;
  readonly senderDomain: string;
  readonly client: SpfClient;
  readonly hello: string;
  /** `%{p}` for a domain; "unknown" where there is none. */
  clientName(domain: string): string;
  readonly receiverName: string;
  readonly now: Instant;
}

/** `name`: a domain-spec; `text`: the explanation, with spaces and `c r t`; `ignored`: the value of an unknown modifier. */
export type MacroUse = "name" | "text" | "ignored";

/** A string says what is wrong. */
export function parseMacroString(text: string, use: MacroUse): MacroString | string {
  const parts: MacroPart[] = [];
  let usesClientName = false;
  let usesLocalPart = false;
  let variesBySender = false;
  let literal = "";
  let from = 0;
  for (;;) {
    const percent = text.indexOf("%", from);
    literal += text.slice(from, percent === -1 ? text.length : percent);
    if (percent === -1) break;
    const next = text[percent + 1];
    from = percent + 2;
    if (next === "%") literal += "%";
    else if (next === "_") literal += " ";
    else if (next === "-") literal += "%20";
    else if (next === "{") {
      const close = text.indexOf("}", from);
      const macro = close === -1 ? undefined : parseMacro(text.slice(from, close));
      if (macro === undefined) return `"${text.slice(percent, percent + 20)}" is not a macro`;
      if (use === "name" && "crt".includes(macro.letter)) {
        return `the macro %{${macro.letter}} is allowed in explanations only`;
      }
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push(macro);
      usesClientName ||= macro.letter === "p";
      usesLocalPart ||= macro.letter === "s" || macro.letter === "l";
      variesBySender ||= macro.letter !== "d";
      from = close + 1;
    } else return `a "%" must be followed by "{", "%", "_" or "-"`;
  }
  if (literal !== "") parts.push(literal);
  return { parts, usesClientName, usesLocalPart, variesBySender };
}

/**
 * The target name of a domain-spec: cut from the left to 253 characters, label by label (RFC 7208 §7.3), without a final
 * dot. Undefined for what is no name; such a term matches nothing (the standard leaves it open, §4.8).
 */
export function expandName(spec: MacroString, domain: string, values: MacroValues): string | undefined {
  const [only] = spec.parts;
  if (spec.parts.length === 1 && typeof only === "string" && only.length <= nameLengthMax) return queryNameOf(only);
  // From the right, since only the last characters can count; the one more shows whether a label begins there, and the
  // final dot takes another.
  let text = "";
  for (let index = spec.parts.length - 1; index >= 0 && text.length <= nameLengthMax + 1; index--) {
    text = expandPart(spec.parts[index] ?? "", domain, values) + text;
  }
  // One dot may end a name; two leave an empty label.
  if (text.endsWith("..")) return undefined;
  if (text.endsWith(".")) text = text.slice(0, -1);
  if (text.length > nameLengthMax) {
    const labelEnd = text.indexOf(".", text.length - nameLengthMax - 1);
    if (labelEnd === -1) return undefined;
    text = text.slice(labelEnd + 1);
  }
  return queryNameOf(text);
}

/** At least the first `lengthMax` characters of the expansion, if it has so many. */
export function expandText(text: MacroString, domain: string, values: MacroValues, lengthMax: number): string {
  let expanded = "";
  for (const part of text.parts) {
    if (expanded.length >= lengthMax) break;
    expanded += expandPart(part, domain, values);
  }
  return expanded;
}

/** Between the braces: a letter, digits, "r", delimiters. */
function parseMacro(text: string): Macro | undefined {
  const letter = asciiLowerCase(text.slice(0, 1));
  if (!isMacroLetter(letter)) return undefined;
  let index = 1;
  let kept = 0;
  // No value has more parts than this; a number of a thousand digits stays a number.
  for (; isDigit(text, index); index++) kept = Math.min(kept * 10 + Number(text[index]), 1000);
  if (index > 1 && kept === 0) return undefined;
  const reversed = text[index] === "r" || text[index] === "R";
  if (reversed) index++;
  const delimiters = text.slice(index);
  for (const delimiter of delimiters) if (!".-+,/_=".includes(delimiter)) return undefined;
  return { letter, escaped: text[0] !== letter, kept, reversed, delimiters };
}

function isMacroLetter(letter: string): letter is MacroLetter {
  return letter !== "" && "slodipvhcrt".includes(letter);
}

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0x30 && code <= 0x39;
}

function expandPart(part: MacroPart, domain: string, values: MacroValues): string {
  if (typeof part === "string") return part;
  const transformed = transform(valueOf(part.letter, domain, values), part);
  return part.escaped ? urlEscape(transformed) : transformed;
}

function valueOf(letter: MacroLetter, domain: string, values: MacroValues): string {
  switch (letter) {
    case "s":
      return `${values.localPart}@${values.senderDomain}`;
    case "l":
      return values.localPart;
    case "o":
      return values.senderDomain;
    case "d":
      return domain;
    case "i":
      return dottedForm(values.client);
    case "p":
      return values.clientName(domain);
    case "v":
      return values.client.family === 4 ? "in-addr" : "ip6";
    case "h":
      return values.hello;
    case "c":
      return values.client.text;
    case "r":
      return values.receiverName;
    case "t":
      return String(Math.floor(values.now / 1000));
    default:
      return letter satisfies never;
  }
}

function transform(value: string, { kept, reversed, delimiters }: Macro): string {
  if (kept === 0 && !reversed && delimiters === "") return value;
  const parts: string[] = [];
  const separators = delimiters === "" ? "." : delimiters;
  let start = 0;
  for (let index = 0; index < value.length; index++) {
    if (!separators.includes(value.charAt(index))) continue;
    parts.push(value.slice(start, index));
    start = index + 1;
  }
  parts.push(value.slice(start));
  if (reversed) parts.reverse();
  return (kept === 0 ? parts : parts.slice(-kept)).join(".");
}

/** All but the unreserved characters of RFC 3986 §2.3. */
function urlEscape(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${asciiUpperCase(character.charCodeAt(0).toString(16))}`,
  );
}
