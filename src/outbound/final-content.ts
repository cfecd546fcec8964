/**
 * A message as final delivery writes it: Return-Path on top (RFC 5321 §4.4), Delivered-To, our header block, then the
 * content without any Return-Path field it came with. Line ends become those of the mailbox. The body is not touched
 * otherwise.
 */
import { asBuffer } from "../lib/as-buffer.ts";
import { HeaderCollector, type HeaderResult, parseHeaderFields } from "../message/header-section.ts";
import type { Content, StoredMessage } from "../spool/spool.ts";

export interface FinalContentOptions {
  /** Without angle brackets, ready for the wire. */
  readonly deliveredTo: string;
  /** `lf` as Maildir readers expect; `crlf` keeps the octets as they travelled. */
  readonly lineEnds: "lf" | "crlf";
}

/** As much as `limits.header_size` may ever allow. A larger one is passed on as it is. */
const headerBytesMax = 16 * 1024 * 1024;

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

/** The content as it is, less the Return-Path fields of its header section; the header ends where it ended on arrival. */
async function* withoutReturnPath(content: Content): AsyncGenerator<Uint8Array> {
  const collector = new HeaderCollector({ headerBytesMax });
  /** What came before the end of the header section was found. */
  let held: Buffer[] | undefined = [];
  for await (const chunk of content.chunks()) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held.push(asBuffer(chunk));
    const progress = collector.push(asBuffer(chunk));
    if (progress.kind === "need-more") continue;
    yield* splitAtHeader(held, progress);
    held = undefined;
  }
  if (held !== undefined) yield* splitAtHeader(held, collector.end());
}

function* splitAtHeader(held: readonly Buffer[], result: HeaderResult): Generator<Uint8Array> {
  if (result.kind === "too-large") return yield* held;
  const { bytes, fields } = parseHeaderFields(result.header);
  const kept = fields.filter(({ name }) => name !== "return-path");
  yield kept.length === fields.length ? bytes : Buffer.concat(kept.map(({ raw }) => raw));
  yield result.rest;
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
