/**
 * Finds URLs in running text (RFC 3986 appendix C) in one pass. The characters after a URL and the brackets within it decide
 * where it ends.
 */
import { asciiUpperCase } from "../../lib/ascii-case.ts";
/** Browsers and servers take at least 8,000 characters; a URL twice as long is not a link to follow. */
export const urlLengthMax = 16_384;
const schemeLengthMax = 32;
/** White space, controls, quotation marks and angle brackets end a URL, as do the full stops and brackets of Chinese and Japanese. */
const endsUrl =
  /[\s\u0000-\u0020\u007f-\u00a0<>"`\u00ab\u00bb\u2000-\u206f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufffc\ufffd]/;
/** Scripts that are written without blanks between a URL and the next word. */
const unspaced = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\u{20000}-\u{3ffff}]/u;
const openers = "([{";
const closers = ")]}";

export function* findUrls(text: string): Generator<string> {
  for (let at = text.indexOf("://"); at !== -1;) {
    const start = startOfScheme(text, at);
    const end = at + 3;
    if (start === undefined) {
      at = text.indexOf("://", end);
      continue;
    }
    const bracketed = text[start - 1] === "<" || asciiUpperCase(text.slice(Math.max(0, start - 5), start)) === "<URL:";
    const found = (bracketed && unfold(text, start, end)) || readUrl(text, start, end);
    if (found.end > end) yield found.url;
    at = text.indexOf("://", Math.max(found.end, end));
  }
}

interface Found {
  readonly url: string;
  readonly end: number;
}

function startOfScheme(text: string, colon: number): number | undefined {
  let start = colon;
  while (start > 0 && colon - start < schemeLengthMax && /[a-z0-9+.-]/i.test(text.charAt(start - 1))) start--;
  while (start < colon && !/[a-z]/i.test(text.charAt(start))) start++;
  // `x_https://` and `seehttps://` end in a scheme.
  const scheme = text.slice(start, colon);
  const web = /https?$/i.exec(scheme);
  if (web !== null) return start + web.index;
  return scheme.length < 2 || /[\p{L}\p{N}_]/u.test(text.charAt(start - 1)) ? undefined : start;
}

/**
 * Between angle brackets white space is not part of the URL: it was folded there to keep lines short. Undefined if
 * there is a space within a line, an empty line, or no closing bracket.
 */
function unfold(text: string, start: number, from: number): Found | undefined {
  let url = text.slice(start, from);
  for (let at = from; at < text.length && url.length <= urlLengthMax; at++) {
    const character = text.charAt(at);
    if (character === ">") return { url, end: at };
    if (character === "<" || character === '"') return undefined;
    if (!/\s/.test(character)) {
      url += character;
      continue;
    }
    let feeds = 0;
    let end = at;
    for (; end < text.length && /\s/.test(text.charAt(end)); end++) if (text.charAt(end) === "\n") feeds++;
    if (feeds !== 1 && text.charAt(end) !== ">") return undefined;
    at = end - 1;
  }
  return undefined;
}

function readUrl(text: string, start: number, from: number): Found {
  const depths = [0, 0, 0];
  let end = from;
  for (; end < text.length && end - start <= urlLengthMax; end++) {
    const character = text.charAt(end);
    if (endsUrl.test(character)) break;
    // Two URLs with nothing but a comma between them.
    if (",;|".includes(character) && /^https?:\/\//i.test(text.slice(end + 1, end + 9))) break;
    if (unspaced.test(character) && /[a-z0-9]/i.test(text.charAt(end - 1))) break;
    const opened = openers.indexOf(character);
    if (opened !== -1) depths[opened] = (depths[opened] ?? 0) + 1;
    const closed = closers.indexOf(character);
    if (closed === -1) continue;
    // A bracket that nothing opened belongs to the text around the URL.
    if (depths[closed] === 0) break;
    depths[closed] = (depths[closed] ?? 0) - 1;
  }
  // Skip the rest of a URL that is too long.
  if (end - start > urlLengthMax) return { url: text.slice(start, end), end: endOfWord(text, end) };
  while (end > from && ".,;:!?'*|\\".includes(text.charAt(end - 1))) end--;
  return { url: text.slice(start, end), end };
}

function endOfWord(text: string, from: number): number {
  let end = from;
  while (end < text.length && !endsUrl.test(text.charAt(end))) end++;
  return end;
}
