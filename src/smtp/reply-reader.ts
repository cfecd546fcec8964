/**
 * Reads the replies of an SMTP or LMTP server (RFC 5321 §4.2).
 *
 * Owns the bytes that have arrived and are not understood yet. Promises that a reply comes out whole or not at all,
 * however the bytes were split; that nothing a peer sends makes memory grow without bound; and that what goes into
 * logs and reports has no control characters. Which command a reply answers is the caller's business: replies come out
 * in the order in which they arrived, and {@link ReplyReader.hasBytes} tells whether any came unasked.
 *
 * Tolerant where peers are known to be careless: a code without text, without the space, or with an unknown number is
 * judged by its first digit (RFC 5321 §4.3.2), and a bare LF ends a line.
 */
import { asBuffer } from "../lib/as-buffer.ts";
import { GrowingBytes } from "../lib/growing-bytes.ts";
import type { EnhancedStatus } from "./enhanced-status.ts";
import { printable } from "../lib/printable-text.ts";
import { shorten } from "../lib/shorten.ts";

export interface ReceivedReply {
  /** 200 to 599; act on its first digit only. */
  readonly code: number;
  /** The enhanced status code, if the text starts with one whose class agrees with `code` (RFC 2034 §4). */
  readonly status: EnhancedStatus | undefined;
  /** Text of each line without the reply code; an enhanced status at its start is kept. Printable. */
  readonly lines: readonly string[];
}

/** The peer's bytes are no reply; the connection cannot be used any more. The message quotes what the peer said. */
export class ReplySyntaxError extends Error {
  override readonly name = "ReplySyntaxError";
}

/**
 * RFC 5321 §4.5.3.1.5 allows 512 octets; real peers send up to about 2,000 (links, base64 tokens). The rest of a
 * longer line is dropped.
 */
const lineBytesKept = 8 * 1024;
/** A line that goes on for so long is no reply. */
const lineBytesMax = 64 * 1024;
/** EHLO answers have about 20 lines, help texts and policy notices up to about 100. */
const linesMax = 200;
/** What one reply may occupy in memory; further text is dropped. */
const replyBytesKept = 64 * 1024;
/** What a failure quotes of a malformed reply: enough for the reason and the link in it. */
const quotedLengthMax = 300;

const lf = 0x0a;
const cr = 0x0d;
const space = 0x20;
const hyphen = 0x2d;

export class ReplyReader {
  readonly #pending = new GrowingBytes();
  /** So many of those have no line end among them. */
  #searched = 0;
  /** Octets of the current line that were seen and not kept, because it is too long. */
  #lineBytesDropped = 0;
  #code = 0;
  #lines: string[] = [];
  #replyBytes = 0;

  /** Stores only; {@link ReplyReader.next} parses. The array belongs to the reader from here on. */
  receive(bytes: Uint8Array): void {
    this.#pending.append(asBuffer(bytes));
  }

  /** Something was received that no reply so far accounts for. */
  get hasBytes(): boolean {
    return this.#pending.length > 0 || this.#lineBytesDropped > 0 || this.#lines.length > 0;
  }

  /** What has come of the next reply, whole lines and the beginning of another, as one printable line. */
  get unfinishedText(): string {
    return this.#said(this.#pending.view);
  }

  /** The next whole reply, or undefined until more bytes arrive. Throws {@link ReplySyntaxError}. */
  next(): ReceivedReply | undefined {
    for (;;) {
      const pending = this.#pending.view;
      const end = pending.indexOf(lf, this.#searched);
      if (end < 0) {
        this.#boundUnfinishedLine();
        return undefined;
      }
      if (end + this.#lineBytesDropped > lineBytesMax) throw new ReplySyntaxError(this.#endless());
      const line = pending.subarray(0, end > 0 && pending[end - 1] === cr ? end - 1 : end);
      this.#pending.dropFirst(end + 1);
      this.#searched = 0;
      this.#lineBytesDropped = 0;
      if (this.#takeLine(line)) return this.#finishReply();
    }
  }

  #boundUnfinishedLine(): void {
    this.#searched = Math.min(this.#pending.length, lineBytesKept);
    const excess = this.#pending.length - lineBytesKept;
    if (excess <= 0) return;
    this.#lineBytesDropped += excess;
    if (this.#lineBytesDropped > lineBytesMax) throw new ReplySyntaxError(this.#endless());
    this.#pending.cutTo(lineBytesKept);
  }

  /** true: it was the reply's last line. */
  #takeLine(line: Buffer): boolean {
    const code = codeOf(line);
    if (code === undefined) throw new ReplySyntaxError(`no reply code in "${this.#said(line)}"`);
    if (this.#lines.length === 0) this.#code = code;
    else if (code !== this.#code) {
      throw new ReplySyntaxError(`a reply changes from ${this.#code} to ${code}: "${this.#said(line)}"`);
    }
    if (this.#lines.length === linesMax) {
      throw new ReplySyntaxError(`a reply has more than ${linesMax} lines: "${this.#said(line)}"`);
    }

    const separator = line[3];
    const start = separator === space || separator === hyphen ? 4 : 3;
    // Behind the octets kept of an unfinished line stands its end, wherever the network cut it.
    const room = Math.min(lineBytesKept - start, replyBytesKept - this.#replyBytes);
    const kept = line.subarray(start, Math.min(line.length, start + room));
    this.#replyBytes += kept.length;
    this.#lines.push(printable(kept.toString("utf8"), "?"));
    return separator !== hyphen;
  }

  #endless(): string {
    return `a reply line never ends: "${this.unfinishedText}"`;
  }

  /** The lines so far and then `line`, cut to what a person reads. */
  #said(line: Buffer): string {
    const before =
      this.#lines.length === 0 ? "" : `${[this.#code, ...this.#lines].join(" ").slice(0, quotedLengthMax)} `;
    const text = line
      .toString("utf8", 0, quotedLengthMax)
      .trimEnd()
      .replaceAll(/[\r\n]+/g, " ");
    return cut(before + printable(text, "?"));
  }

  #finishReply(): ReceivedReply {
    const lines = this.#lines;
    this.#lines = [];
    this.#replyBytes = 0;
    return { code: this.#code, status: statusAtStart(lines[0] ?? "", this.#code), lines };
  }
}

/**
 * The enhanced status at the very start of a reply's text. Only a whole `class.subject.detail` followed by a space or
 * nothing counts, so that `5.1.10` is never taken for `5.1.1` nor a version or address for a status; one whose class
 * contradicts the reply code is ignored. Unknown subjects and details are kept (RFC 3463 §2).
 */
export function statusAtStart(text: string, code: number): EnhancedStatus | undefined {
  // Most texts without a status are told from their second character.
  if (text[1] !== ".") return undefined;
  const match = /^([245])\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})(?=[ \t]|$)/.exec(text);
  if (match === null || match[1] !== String(Math.floor(code / 100))) return undefined;
  return match[0] as EnhancedStatus;
}

/** Each line's text without the enhanced status that servers repeat on it (RFC 2034 §4). */
export function linesWithoutStatus(reply: ReceivedReply): readonly string[] {
  const { status } = reply;
  if (status === undefined) return reply.lines;
  return reply.lines.map((line) =>
    line.startsWith(status) && (line.length === status.length || line[status.length] === " ")
      ? line.slice(status.length + 1)
      : line,
  );
}

/** The whole reply as one line for people, logs and Diagnostic-Code fields: code, status once, texts joined by spaces. */
export function replyText(reply: ReceivedReply): string {
  const first = reply.lines[0] ?? "";
  if (reply.lines.length <= 1) return first === "" ? String(reply.code) : `${reply.code} ${first}`;
  const [, ...others] = linesWithoutStatus(reply);
  return [String(reply.code), first, ...others].filter((part) => part !== "").join(" ");
}

/** For a sentence about a reply that breaks the protocol: its own words, quoted and cut. */
export function quotedReply(reply: ReceivedReply): string {
  return `"${cut(replyText(reply))}"`;
}

/** 3yz: the server waits for more, so it is an answer only where more is on its way (RFC 5321 §4.2.1). */
export function isIntermediate(reply: ReceivedReply): boolean {
  return reply.code >= 300 && reply.code < 400;
}

/** Three digits, the first 2 to 5, and not a fourth one. */
function codeOf(line: Buffer): number | undefined {
  if (line.length < 3) return undefined;
  const first = digit(line[0]);
  const second = digit(line[1]);
  const third = digit(line[2]);
  if (first === undefined || second === undefined || third === undefined) return undefined;
  if (first < 2 || first > 5 || digit(line[3]) !== undefined) return undefined;
  return first * 100 + second * 10 + third;
}

function digit(octet: number | undefined): number | undefined {
  return octet !== undefined && octet >= 0x30 && octet <= 0x39 ? octet - 0x30 : undefined;
}

function cut(text: string): string {
  return shorten(text, quotedLengthMax);
}
