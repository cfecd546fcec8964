/** Numeric and named character references of HTML, decoded as browsers do. Linear: it reads what follows an `&` once. */
import { charactersByName, namesWithoutSemicolon } from "./character-names.ts";

/** The longest name there is, `CounterClockwiseContourIntegral`, and the longest of those without a semicolon. */
const nameLengthMax = 31;
const shortNameLengthMax = 6;
const pointMax = 0x10ffff;

/** The numbers 128 to 159 stand for the characters of windows-1252. */
const windows1252 = new TextDecoder("windows-1252");

/** `inAttribute`: `&copy=1` in a URL is a parameter, not a sign. */
export function decodeReferences(text: string, { inAttribute = false } = {}): string {
  let decoded = "";
  let done = 0;
  for (let at = text.indexOf("&"); at !== -1; at = text.indexOf("&", Math.max(at + 1, done))) {
    const reference = text[at + 1] === "#" ? numericAt(text, at + 2) : namedAt(text, at + 1, inAttribute);
    if (reference === undefined) continue;
    decoded += text.slice(done, at) + reference.characters;
    done = reference.end;
  }
  return decoded + text.slice(done);
}

interface Reference {
  readonly characters: string;
  readonly end: number;
}

function numericAt(text: string, from: number): Reference | undefined {
  const hexadecimal = text[from] === "x" || text[from] === "X";
  const base = hexadecimal ? 16 : 10;
  const start = hexadecimal ? from + 1 : from;
  let end = start;
  let point = 0;
  for (; end < text.length; end++) {
    const digit = digitAt(text, end, base);
    if (digit === undefined) break;
    point = Math.min(point * base + digit, pointMax + 1);
  }
  if (end === start) return undefined;
  return { characters: characterOf(point), end: text[end] === ";" ? end + 1 : end };
}

function digitAt(text: string, at: number, base: number): number | undefined {
  const code = text.charCodeAt(at);
  const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : (code | 0x20) >= 0x61 ? (code | 0x20) - 0x61 + 10 : base;
  return digit < base ? digit : undefined;
}

function characterOf(point: number): string {
  if (point === 0 || point > pointMax || (point >= 0xd800 && point <= 0xdfff)) return "\ufffd";
  if (point >= 0x80 && point <= 0x9f) return windows1252.decode(Uint8Array.of(point));
  return String.fromCodePoint(point);
}

function namedAt(text: string, start: number, inAttribute: boolean): Reference | undefined {
  let end = start;
  while (end < text.length && end - start <= nameLengthMax && isAlphanumeric(text.charCodeAt(end))) end++;
  const whole = text[end] === ";" ? charactersByName.get(text.slice(start, end)) : undefined;
  if (whole !== undefined) return { characters: whole, end: end + 1 };
  for (let short = Math.min(end, start + shortNameLengthMax); short > start; short--) {
    const name = text.slice(start, short);
    if (!namesWithoutSemicolon.has(name)) continue;
    const next = text.charCodeAt(short);
    if (inAttribute && (text[short] === "=" || isAlphanumeric(next))) return undefined;
    return { characters: charactersByName.get(name) ?? "", end: short };
  }
  return undefined;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a);
}
