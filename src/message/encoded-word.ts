/**
 * Encoded words (RFC 2047): read for people, written where a header of ours must stay ASCII. What is decoded is for
 * showing only; it must never be parsed for addresses again.
 */
import { asciiLowerCase, sameIgnoringCase } from "../lib/ascii-case.ts";
import { charsetLabel, decodeCharset } from "./charset.ts";

interface EncodedWord {
  readonly start: number;
  readonly end: number;
  readonly charset: string;
  readonly base64: boolean;
  readonly payload: string;
}

/** Anchored where `=?` was found. A payload ends at the next question mark, so no octet is read twice. */
const wordPattern = /=\?([!#$%&'*+\-^\w`{|}~.:"]{1,64})\?([bq])\?([^?\r\n]*)\?=/iy;

/**
 * Text with its encoded words decoded; those that cannot be are left as they are. White space between two encoded words
 * is not shown (RFC 2047 §6.2), and words in a row of one character set are decoded as one: many senders divide a
 * letter between two words, though RFC 2047 §5 forbids it.
 */
export function decodeEncodedWords(text: string): string {
  if (!text.includes("=?")) return text;
  let shown = "";
  let shownTo = 0;
  let row: EncodedWord[] = [];
  const flush = () => {
    const last = row.at(-1);
    if (last === undefined) return;
    shown += decodeRow(row, text);
    shownTo = last.end;
    row = [];
  };
  for (let at = text.indexOf("=?"); at !== -1;) {
    const word = wordAt(text, at);
    if (word === undefined) {
      at = text.indexOf("=?", at + 2);
      continue;
    }
    const before = row.at(-1);
    if (before === undefined || !isBlank(text, before.end, word.start)) {
      flush();
      shown += text.slice(shownTo, word.start);
    } else if (!sameCharset(before.charset, word.charset)) flush();
    row.push(word);
    at = text.indexOf("=?", word.end);
  }
  flush();
  return shown + text.slice(shownTo);
}

function wordAt(text: string, start: number): EncodedWord | undefined {
  wordPattern.lastIndex = start;
  const match = wordPattern.exec(text);
  if (match === null) return undefined;
  const [whole, charset = "", encoding = "", payload = ""] = match;
  return { start, end: start + whole.length, charset, base64: asciiLowerCase(encoding) === "b", payload };
}

function isBlank(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!" \t\r\n".includes(text.charAt(at))) return false;
  return true;
}

function sameCharset(one: string, other: string): boolean {
  return sameIgnoringCase(one, other) || charsetLabel(one) === charsetLabel(other);
}

/**
 * Words of one character set. Their octets are joined before they are decoded; where that gives letters that the
 * character set does not have, joining the base 64 itself (cut anywhere) and each word alone are tried too.
 */
function decodeRow(row: readonly EncodedWord[], text: string): string {
  const [{ charset } = { charset: "" }] = row;
  const decode = (octets: Buffer) => decodeCharset(octets, charset) ?? "";
  const alone = () => row.map((word) => decode(octetsOf(word))).join("");
  const joined = () => decode(Buffer.concat(row.map(octetsOf)));
  const joinedBase64 = () => decode(Buffer.from(row.map(({ payload }) => payload).join(""), "base64"));
  const label = charsetLabel(charset);
  if (label === undefined) return row.map(({ start, end }) => text.slice(start, end)).join(" ");
  if (row.length === 1) return alone();
  const whole = row.every(
    ({ base64, payload }, index) => base64 && (index === row.length - 1 || !payload.endsWith("=")),
  );
  // Each word of ISO-2022-JP begins and ends in ASCII, so what one leaves open must not reach the next.
  const ways = label === "iso-2022-jp" ? [alone, joined] : [joined, ...(whole ? [joinedBase64] : [])];
  for (const way of ways) {
    const decoded = way();
    if (!decoded.includes("\ufffd")) return decoded;
  }
  return alone();
}

function octetsOf({ base64, payload }: EncodedWord): Buffer {
  return base64 ? Buffer.from(payload, "base64") : decodeQ(payload);
}

/**
 * RFC 2047 §2: a word has at most 75 characters, and the line it stands on 76. 39 octets make 52 in base 64, 64 with the
 * frame, and so the first word fits behind `Subject: `.
 */
const octetsPerWord = 39;

/** ASCII as it is; everything else as encoded words in UTF-8, to be folded between them. */
export function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("=?")) return text;
  const words: string[] = [];
  let octets = 0;
  let piece = "";
  const flush = () => {
    if (piece !== "") words.push(`=?utf-8?B?${Buffer.from(piece).toString("base64")}?=`);
    piece = "";
    octets = 0;
  };
  // A character is never divided between two words (RFC 2047 §5).
  for (const character of text) {
    const size = Buffer.byteLength(character);
    if (octets + size > octetsPerWord) flush();
    piece += character;
    octets += size;
  }
  flush();
  return words.join(" ");
}

function decodeQ(payload: string): Buffer {
  const octets = payload
    .replaceAll("_", " ")
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, "latin1");
}
