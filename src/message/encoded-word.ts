/**
 * Encoded words (RFC 2047): read for people, written where a header of ours must stay ASCII. What is decoded is for
 * showing only; it must never be parsed for addresses again.
 */

const wordPattern = /=\?([!#$%&'*+\-^\w`{|}~.]{1,64})\?([bq])\?([^?\r\n]*)\?=/gi;
/** White space between two encoded words is not shown (RFC 2047 §6.2). */
const betweenWords = /(=\?[^?\s]{1,64}\?[bq]\?[^?\r\n]*\?=)\s+(?==\?[^?\s]{1,64}\?[bq]\?[^?\r\n]*\?=)/gi;

/** Text with its encoded words decoded; those that cannot be are left as they are. */
export function decodeEncodedWords(text: string): string {
  if (!text.includes("=?")) return text;
  return text
    .replaceAll(betweenWords, "$1")
    .replaceAll(wordPattern, (word: string, charset: string, encoding: string, payload: string) => {
      const octets = encoding.toLowerCase() === "b" ? Buffer.from(payload, "base64") : decodeQ(payload);
      return decodeCharset(octets, charset) ?? word;
    });
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

function decodeCharset(octets: Buffer, charset: string): string | undefined {
  try {
    // The language after an asterisk (RFC 2231 §5) does not matter here.
    return new TextDecoder(charset.replace(/\*.*$/s, "")).decode(octets);
  } catch {
    return undefined;
  }
}
