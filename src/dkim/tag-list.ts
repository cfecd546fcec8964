/**
 * Tag=value lists, the syntax of DKIM-Signature fields, key records, ARC fields and DMARC records (RFC 6376 §3.2).
 *
 * Owns the division into tags; what a tag means is for those who ask. Work and memory are linear in the text.
 */

/** The standards define less than twenty; a list of more is made to cost memory. */
const tagsMax = 100;

/**
 * Tags in their order, values without the white space around them. Undefined for a syntax error, a tag given twice
 * (RFC 6376 §3.2: "MUST NOT"), or more than 100 tags. Names are case-sensitive. Folding may still be in the text.
 */
export function parseTagList(text: string): ReadonlyMap<string, string> | undefined {
  if (hasControl(text)) return undefined;
  const tags = new Map<string, string>();
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf(";", start);
    if (end === -1) end = text.length;
    const nameStart = skipSpace(text, start, end);
    // Most lists end with nothing after the last semicolon; nothing between two is an error.
    if (nameStart === end && end === text.length && tags.size > 0) return tags;
    const equals = text.indexOf("=", nameStart);
    if (equals === -1 || equals >= end) return undefined;
    const name = text.slice(nameStart, trimSpaceEnd(text, nameStart, equals));
    if (!isTagName(name) || tags.has(name) || tags.size === tagsMax) return undefined;
    const valueStart = skipSpace(text, equals + 1, end);
    tags.set(name, text.slice(valueStart, trimSpaceEnd(text, valueStart, end)));
    start = end + 1;
  }
  return tags.size === 0 ? undefined : tags;
}

/** Removes folding white space from within a value, as base64 and lists of names allow it (RFC 6376 §3.2, §3.5). */
export function withoutSpace(value: string): string {
  return /[ \t\r\n]/.test(value) ? value.replaceAll(/[ \t\r\n]+/g, "") : value;
}

/** The parts of a list with colons, without the white space around them; undefined when one is empty. */
export function colonList(value: string): readonly string[] | undefined {
  const parts = value.split(":");
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] ?? "";
    const start = skipSpace(part, 0, part.length);
    const end = trimSpaceEnd(part, start, part.length);
    if (start === end) return undefined;
    if (end - start < part.length) parts[index] = part.slice(start, end);
  }
  return parts;
}

/** Octets of base64 that may hold folding white space and may lack its padding; undefined for anything else. */
export function decodeBase64(value: string): Buffer | undefined {
  const text = withoutSpace(value);
  let end = text.length;
  for (let padding = 0; padding < 2 && text.charCodeAt(end - 1) === equalsSign; padding++) end--;
  if (end === 0) return undefined;
  for (let at = 0; at < end; at++) if (base64Characters[text.charCodeAt(at)] !== 1) return undefined;
  return Buffer.from(text, "base64");
}

const equalsSign = 0x3d;
/** 1 for the letters of base64. */
const base64Characters = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9+/]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** ALPHA *(ALPHA / DIGIT / "_"), and hyphens, which tags that someone made up do have: they are to be ignored. */
function isTagName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]*$/.test(name);
}

/** Anything below the space but white space, and DEL. */
function hasControl(text: string): boolean {
  return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text);
}

function skipSpace(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  return at;
}

function trimSpaceEnd(text: string, start: number, from: number): number {
  let end = from;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}
