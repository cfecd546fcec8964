/**
 * Cuts HTML into tags and text as a browser's tokenizer does (https://html.spec.whatwg.org/multipage/parsing.html), in one
 * pass that never goes back: an unfinished comment, tag, style or script swallows the rest. Comments and the contents of
 * styles, scripts and titles are left out.
 */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { decodeReferences } from "./character-references.ts";

export type HtmlToken =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "start"; readonly name: string; readonly attributes: ReadonlyMap<string, string> }
  | { readonly kind: "end"; readonly name: string };

/** Elements whose content is neither markup nor text to read. */
const unread = new Set(["style", "script", "title", "noembed", "noframes", "iframe", "xmp"]);
/** A tag has a dozen at most; more are read and dropped. */
const attributesMax = 64;

export function* scanHtml(html: string): Generator<HtmlToken> {
  let textFrom = 0;
  let search = 0;
  for (;;) {
    const at = html.indexOf("<", search);
    if (at === -1) break;
    const markup = markupAt(html, at);
    if (markup === undefined) {
      search = at + 1;
      continue;
    }
    if (at > textFrom) yield { kind: "text", text: decodeReferences(html.slice(textFrom, at)) };
    textFrom = search = markup.end;
    const { token } = markup;
    if (token === undefined) continue;
    yield token;
    if (token.kind === "start" && unread.has(token.name)) textFrom = search = endOfContent(html, search, token.name);
  }
  if (textFrom < html.length) yield { kind: "text", text: decodeReferences(html.slice(textFrom)) };
}

interface Markup {
  readonly end: number;
  readonly token?: HtmlToken;
}

/** Undefined where the `<` is part of the text. */
function markupAt(html: string, at: number): Markup | undefined {
  const next = html.charAt(at + 1);
  if (isLetter(next)) return startTagAt(html, at + 1);
  if (next === "!") {
    if (html.startsWith("!--", at + 1)) return { end: endOfComment(html, at + 4) };
    return { end: after(html, ">", at + 2) };
  }
  if (next === "?") return { end: after(html, ">", at + 2) };
  if (next !== "/") return undefined;
  if (!isLetter(html.charAt(at + 2))) return at + 2 < html.length ? { end: after(html, ">", at + 2) } : undefined;
  const nameEnd = endOfName(html, at + 2);
  return { end: after(html, ">", nameEnd), token: { kind: "end", name: asciiLowerCase(html.slice(at + 2, nameEnd)) } };
}

function startTagAt(html: string, at: number): Markup {
  const nameEnd = endOfName(html, at);
  const name = asciiLowerCase(html.slice(at, nameEnd));
  const attributes = new Map<string, string>();
  let position = nameEnd;
  for (;;) {
    while (isSpace(html.charAt(position)) || html.charAt(position) === "/") position++;
    // Browsers drop a tag that never ends.
    if (position >= html.length) return { end: html.length };
    if (html.charAt(position) === ">") return { end: position + 1, token: { kind: "start", name, attributes } };
    const attribute = attributeAt(html, position);
    position = attribute.end;
    if (attributes.size < attributesMax && !attributes.has(attribute.name)) {
      attributes.set(attribute.name, attribute.value);
    }
  }
}

function attributeAt(
  html: string,
  start: number,
): { readonly name: string; readonly value: string; readonly end: number } {
  // A leading equals sign belongs to the name, so each attribute takes at least one character.
  let nameEnd = start + 1;
  while (nameEnd < html.length && !" \t\n\r\f/>=".includes(html.charAt(nameEnd))) nameEnd++;
  const name = asciiLowerCase(html.slice(start, nameEnd));
  let at = nameEnd;
  while (isSpace(html.charAt(at))) at++;
  if (html.charAt(at) !== "=") return { name, value: "", end: at };
  at++;
  while (isSpace(html.charAt(at))) at++;
  const quote = html.charAt(at);
  if (quote === '"' || quote === "'") {
    const close = html.indexOf(quote, at + 1);
    const end = close === -1 ? html.length : close;
    return { name, value: decodeReferences(html.slice(at + 1, end), { inAttribute: true }), end: end + 1 };
  }
  let end = at;
  while (end < html.length && !" \t\n\r\f>".includes(html.charAt(end))) end++;
  return { name, value: decodeReferences(html.slice(at, end), { inAttribute: true }), end };
}

/** `<!-->` and `<!--->` are whole comments; without an end, the rest is comment. */
function endOfComment(html: string, from: number): number {
  if (html.startsWith(">", from)) return from + 1;
  if (html.startsWith("->", from)) return from + 2;
  return after(html, "-->", from);
}

/** Finds the end tag of an element whose content is not read. */
function endOfContent(html: string, from: number, name: string): number {
  for (let at = html.indexOf("</", from); at !== -1; at = html.indexOf("</", at + 2)) {
    const end = at + 2 + name.length;
    if (asciiLowerCase(html.slice(at + 2, end)) === name && !isNameCharacter(html.charAt(end))) return at;
  }
  return html.length;
}

function after(html: string, what: string, from: number): number {
  const at = html.indexOf(what, from);
  return at === -1 ? html.length : at + what.length;
}

function endOfName(html: string, from: number): number {
  let end = from;
  while (end < html.length && isNameCharacter(html.charAt(end))) end++;
  return end;
}

function isNameCharacter(character: string): boolean {
  return character !== "" && !" \t\n\r\f/>".includes(character);
}

function isLetter(character: string): boolean {
  return (character >= "a" && character <= "z") || (character >= "A" && character <= "Z");
}

function isSpace(character: string): boolean {
  return character !== "" && " \t\n\r\f".includes(character);
}
