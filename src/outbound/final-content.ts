/**
 * A message as final delivery writes it: Return-Path on top (RFC 5321 §4.4), Delivered-To, our header block, then the
 * content without any Return-Path field it came with. Line ends become those of the mailbox. The body is not touched
 * otherwise.
 */
import type { Content, StoredMessage } from "../spool/spool.ts";

export interface FinalContentOptions {
  /** Without angle brackets, ready for the wire. */
  readonly deliveredTo: string;
  /** `lf` as Maildir readers expect; `crlf` keeps the octets as they travelled. */
  readonly lineEnds: "lf" | "crlf";
}

/** A header section above this is passed on as it is: no mailbox program reads a Return-Path so far down. */
const headerSearchBytesMax = 1024 * 1024;

/** Yields the octets to write; reads `content` once. */
export async function* finalContent(
  message: StoredMessage,
  content: Content,
  options: FinalContentOptions,
): AsyncGenerator<Uint8Array> {
  const convert = options.lineEnds === "lf" ? new CrlfToLf() : undefined;
  const top = `Return-Path: <${message.reversePath}>\r\nDelivered-To: ${options.deliveredTo}\r\n${message.headerBlock}`;
  yield convert ? convert.push(Buffer.from(top)) : Buffer.from(top);
  for await (const chunk of withoutReturnPath(content)) yield convert ? convert.push(chunk) : chunk;
  const rest = convert?.end();
  if (rest) yield rest;
}

/** The content as it is, less the Return-Path fields of its header section. */
async function* withoutReturnPath(content: Content): AsyncGenerator<Uint8Array> {
  let held: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of content.chunks()) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk]);
    const end = endOfHeader(held);
    if (end === undefined && held.length < headerSearchBytesMax) continue;
    yield* splitAtHeader(held, end);
    held = undefined;
  }
  if (held !== undefined) yield* splitAtHeader(held, held.length);
}

function* splitAtHeader(bytes: Buffer, end: number | undefined): Generator<Uint8Array> {
  if (end === undefined) {
    yield bytes;
    return;
  }
  yield removeReturnPath(bytes.subarray(0, end));
  if (end < bytes.length) yield bytes.subarray(end);
}

/** Index just behind the last header field's CRLF. */
function endOfHeader(bytes: Buffer): number | undefined {
  if (bytes[0] === 13 && bytes[1] === 10) return 0;
  const found = bytes.indexOf("\r\n\r\n");
  return found === -1 ? undefined : found + 2;
}

function removeReturnPath(header: Buffer): Buffer {
  const text = header.toString("latin1");
  if (!/^return-path[ \t]*:/im.test(text)) return header;
  return Buffer.from(text.replaceAll(/^return-path[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/gim, ""), "latin1");
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** CRLF to LF over any split of the input; a CR without LF stays. */
class CrlfToLf {
  #pendingCr = false;

  push(chunk: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(chunk.length + 1);
    let length = 0;
    for (const octet of chunk) {
      if (this.#pendingCr && octet !== 10) out[length++] = 13;
      this.#pendingCr = octet === 13;
      if (!this.#pendingCr) out[length++] = octet;
    }
    return out.subarray(0, length);
  }

  end(): Uint8Array | undefined {
    return this.#pendingCr ? Buffer.from("\r") : undefined;
  }
}
