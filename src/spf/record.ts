/**
 * SPF records as values (RFC 7208 §4.5, §4.6.1, §5, §6, §12): which TXT records are SPF's, and their terms, checked in
 * full before any is evaluated. Parsing is linear in the record. See record-cache.ts for records that come again.
 */
import { asciiLowerCase, asciiUpperCase } from "../lib/ascii-case.ts";
import { parseIpAddress } from "../lib/ip-network.ts";
import { nearest } from "../lib/nearest.ts";
import { shorten } from "../lib/shorten.ts";
import { numberOf } from "./client-address.ts";
import { parseMacroString, type MacroString } from "./macro.ts";

/**
 * 32 times what RFC 7208 §3.4 asks records to stay within. A longer one is a syntax error, unread; so reading the eleven
 * records of one evaluation takes 50 ms at worst.
 */
export const recordLengthMax = 16_384;

export type QualifierResult = "pass" | "fail" | "softfail" | "neutral";

interface Term {
  /** As published. */
  readonly text: string;
}
interface DirectiveTerm extends Term {
  /** What a match means: `+` pass, `-` fail, `~` softfail, `?` neutral. */
  readonly result: QualifierResult;
}
export interface All extends DirectiveTerm {
  readonly kind: "all";
}
export interface Ip4 extends DirectiveTerm {
  readonly kind: "ip4";
  readonly network: number;
  readonly mask: number;
}
export interface Ip6 extends DirectiveTerm {
  readonly kind: "ip6";
  readonly network: Uint8Array;
  readonly prefixLength: number;
}
export interface Include extends DirectiveTerm {
  readonly kind: "include";
  readonly target: MacroString;
}
export interface Exists extends DirectiveTerm {
  readonly kind: "exists";
  readonly target: MacroString;
}
export interface AddressDirective extends DirectiveTerm {
  readonly kind: "a" | "mx";
  /** Without: the domain under evaluation. */
  readonly target: MacroString | undefined;
  readonly prefixLength4: number;
  readonly prefixLength6: number;
}
export interface Ptr extends DirectiveTerm {
  readonly kind: "ptr";
  readonly target: MacroString | undefined;
}
export type Directive = All | Ip4 | Ip6 | Include | Exists | AddressDirective | Ptr;

export interface Modifier extends Term {
  readonly target: MacroString;
}

export interface SpfRecord {
  readonly directives: readonly Directive[];
  /** Absent also where an `all` makes it void (RFC 7208 §6.1). */
  readonly redirect: Modifier | undefined;
  readonly explanation: Modifier | undefined;
}

export interface SpfSyntaxError {
  /** What is wrong, without a full stop: `"ip:192.0.2.1" is no mechanism; did you mean ip4?`. */
  readonly problem: string;
}

/** Whether a TXT record is SPF's: `v=spf1` in any case, then a space or the end (RFC 7208 §4.5). */
export function isSpfRecord(text: string): boolean {
  if (text.length < 6 || (text.length > 6 && text.charCodeAt(6) !== 0x20)) return false;
  return text.startsWith("v=spf1") || asciiLowerCase(text.slice(0, 6)) === "v=spf1";
}

export function parseSpfRecord(text: string): SpfRecord | SpfSyntaxError {
  if (text.length > recordLengthMax) return { problem: `it is longer than ${recordLengthMax} characters` };
  const stray = /[^\x20-\x7e]/.exec(text);
  if (stray !== null) return { problem: strayCharacter(stray[0].charCodeAt(0), stray.index) };
  const directives: Directive[] = [];
  const modifiers = new Map<string, Modifier>();
  let hasAll = false;
  for (const term of text.slice(6).split(" ")) {
    if (term === "") continue;
    // The first of these tells a modifier from a mechanism.
    const mark = /[=:/]/.exec(term);
    if (mark?.[0] === "=") {
      const problem = readModifier(term, mark.index, modifiers);
      if (problem !== undefined) return { problem };
    } else {
      const directive = readDirective(term, mark?.index ?? term.length);
      if (typeof directive === "string") return { problem: directive };
      hasAll ||= directive.kind === "all";
      directives.push(directive);
    }
  }
  const redirect = hasAll ? undefined : modifiers.get("redirect");
  return { directives, redirect, explanation: modifiers.get("exp") };
}

/** RFC 7208 §6. Returns what is wrong. */
function readModifier(term: string, equals: number, modifiers: Map<string, Modifier>): string | undefined {
  const name = asciiLowerCase(term.slice(0, equals));
  const value = term.slice(equals + 1);
  if (!/^[a-z][a-z0-9._-]*$/.test(name)) return `"${shown(term)}" is no modifier: "${shown(name)}" is not a name`;
  if (name !== "redirect" && name !== "exp") {
    const ignored = parseMacroString(value, "ignored");
    return typeof ignored === "string" ? `in "${shown(term)}" ${ignored}` : undefined;
  }
  if (modifiers.has(name)) return `${name}= stands in it twice`;
  const target = parseDomainSpec(value);
  if (typeof target === "string") return `in "${shown(term)}" ${target}`;
  modifiers.set(name, { text: term, target });
  return undefined;
}

/** `nameEnd`: where its ":" or "/" is, or its end. */
function readDirective(term: string, nameEnd: number): Directive | string {
  const result = qualifiers[term.charAt(0)];
  const name = asciiLowerCase(term.slice(result === undefined ? 0 : 1, nameEnd));
  const directive = readMechanism(name, term.slice(nameEnd), { text: term, result: result ?? "pass" });
  return typeof directive === "string" ? `in "${shown(term)}" ${directive}` : directive;
}

/** `argument` begins with its ":" or "/", or is empty. */
function readMechanism(name: string, argument: string, term: DirectiveTerm): Directive | string {
  switch (name) {
    case "all":
      return argument === "" ? { ...term, kind: name } : `"all" takes no argument`;
    case "include":
    case "exists": {
      if (!argument.startsWith(":")) return `"${name}" needs a domain after a colon`;
      const target = parseDomainSpec(argument.slice(1));
      return typeof target === "string" ? target : { ...term, kind: name, target };
    }
    case "a":
    case "mx": {
      const { rest, prefixLength4, prefixLength6 } = splitDualPrefix(argument);
      if (prefixLength4 > 32 || prefixLength6 > 128) return "the prefix length is out of range";
      const target = parseOptionalTarget(rest);
      return typeof target === "string" ? target : { ...term, kind: name, target, prefixLength4, prefixLength6 };
    }
    case "ptr": {
      const target = parseOptionalTarget(argument);
      return typeof target === "string" ? target : { ...term, kind: name, target };
    }
    case "ip4":
      return readIp4(argument, term);
    case "ip6":
      return readIp6(argument, term);
    default: {
      const meant = /^(ip|ipv)$/.test(name) ? "ip4 or ip6" : nearest(name.slice(0, 20), mechanisms);
      return `there is no mechanism "${shown(name)}"${meant === undefined ? "" : `; did you mean ${meant}?`}`;
    }
  }
}

function readIp4(argument: string, term: DirectiveTerm): Ip4 | string {
  const { address, prefixLength } = splitPrefix(argument, 32);
  const octets = address.includes(":") ? undefined : parseIpAddress(address);
  if (octets === undefined) return `"${shown(address)}" is not an IPv4 address`;
  if (prefixLength > 32) return "the prefix length is not a number from 0 to 32";
  const mask = prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
  return { ...term, kind: "ip4", network: numberOf(octets), mask };
}

function readIp6(argument: string, term: DirectiveTerm): Ip6 | string {
  const { address, prefixLength } = splitPrefix(argument, 128);
  const octets = address.includes(":") ? parseIpAddress(address) : undefined;
  if (octets === undefined) return `"${shown(address)}" is not an IPv6 address`;
  if (prefixLength > 128) return "the prefix length is not a number from 0 to 128";
  // An IPv4-mapped address was shortened by its reader. As a network of IPv6 it holds no client: those count as IPv4.
  const network = octets.length === 16 ? octets : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...octets);
  return { ...term, kind: "ip6", network, prefixLength };
}

/** `:address[/length]`. 999 for a length that is none. */
function splitPrefix(argument: string, whole: number): { address: string; prefixLength: number } {
  const slash = argument.indexOf("/");
  const address = argument.startsWith(":") ? argument.slice(1, slash === -1 ? undefined : slash) : "";
  return { address, prefixLength: slash === -1 ? whole : lengthOf(argument.slice(slash + 1)) };
}

/** `[/length4][//length6]` at the end of an argument; what has not this form is left to the domain-spec's grammar. */
function splitDualPrefix(argument: string): { rest: string; prefixLength4: number; prefixLength6: number } {
  let rest = argument;
  let prefixLength6 = 128;
  let prefixLength4 = 32;
  const tail = (): { slash: number; length: number } => {
    const slash = rest.lastIndexOf("/");
    const digits = slash === -1 ? "" : rest.slice(slash + 1);
    return { slash, length: /^\d{1,9}$/.test(digits) ? lengthOf(digits) : -1 };
  };
  let { slash, length } = tail();
  if (length !== -1 && rest[slash - 1] === "/") {
    prefixLength6 = length;
    rest = rest.slice(0, slash - 1);
    ({ slash, length } = tail());
  }
  if (length !== -1 && rest[slash - 1] !== "/") {
    prefixLength4 = length;
    rest = rest.slice(0, slash);
  }
  return { rest, prefixLength4, prefixLength6 };
}

/** RFC 7208 §5.6: no leading zeros. */
function lengthOf(digits: string): number {
  return /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : 999;
}

function parseOptionalTarget(argument: string): MacroString | undefined | string {
  if (argument === "") return undefined;
  return argument.startsWith(":") ? parseDomainSpec(argument.slice(1)) : `"${shown(argument)}" is not expected`;
}

/** RFC 7208 §7.1: macro-string domain-end, which is a macro or a dot and a top-level label. */
function parseDomainSpec(text: string): MacroString | string {
  if (text === "") return "the domain is missing";
  const target = parseMacroString(text, "name");
  if (typeof target === "string") return target;
  // Ends in a macro: in "}", or in one of "%%", "%_" and "%-", which only the last part's own text can tell.
  const last = target.parts.at(-1);
  if (typeof last !== "string" || endsInEscape(text)) return target;
  const literal = text.slice(text.lastIndexOf("}") + 1);
  const labels = literal.endsWith(".") ? literal.slice(0, -1) : literal;
  const lastDot = labels.lastIndexOf(".");
  const topLabel = labels.slice(lastDot + 1);
  if (lastDot !== -1 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(topLabel) && /[^0-9]/.test(topLabel)) return target;
  if (parseIpAddress(text) !== undefined) return `"${text}" is an address; ip4: and ip6: are for those`;
  return `"${shown(text)}" is not a domain with a top-level label`;
}

/** Whether the last two characters are "%%", "%_" or "%-" with an odd percent sign. */
function endsInEscape(text: string): boolean {
  if (!/[%_-]$/.test(text)) return false;
  let percents = 0;
  const from = text.endsWith("%") ? text.length - 1 : text.length - 2;
  for (let index = from; text[index] === "%"; index--) percents++;
  return text.endsWith("%") ? percents > 0 : percents % 2 === 1;
}

function strayCharacter(code: number, index: number): string {
  const what = code < 0x20 || code === 0x7f ? "a control character" : "a character outside of ASCII";
  return `${what} (U+${asciiUpperCase(code.toString(16)).padStart(4, "0")}) stands at position ${index + 1}`;
}

/** Enough of a term to find it by. */
function shown(text: string): string {
  return shorten(text, 60);
}

const qualifiers: Readonly<Record<string, QualifierResult>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};
const mechanisms = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];
