/**
 * How the content of one transaction leaves: dot-stuffed after DATA (RFC 5321 §4.5.2), or in BDAT chunks where the server
 * offers CHUNKING (RFC 3030). When it leaves is the transaction's business.
 *
 * Promises that no more octets leave than the envelope says, that the end is marked behind the last of them and nowhere
 * else, and that nothing with a bare CR or LF leaves by DATA.
 */
import { ContentEncoder } from "../content-encoder.ts";
import type { ClientSession } from "./session.ts";

export class ContentSender {
  readonly command: "DATA" | "BDAT";
  readonly #session: ClientSession;
  readonly #size: number;
  #encoder: ContentEncoder | undefined;
  #bytesSent = 0;
  #complete = false;

  /** `size`: octets of the whole content. */
  constructor(session: ClientSession, size: number) {
    this.#session = session;
    this.#size = size;
    // Each transaction decides afresh; nothing about CHUNKING outlives a message.
    this.command = session.capabilities.chunking ? "BDAT" : "DATA";
  }

  /** All of it has left. */
  get complete(): boolean {
    return this.#complete;
  }

  /**
   * The next octets; over BDAT they are one chunk. Throws when they exceed the size, and `BareLineEndError`, in both cases
   * before anything of them leaves.
   */
  send(parts: readonly Uint8Array[]): void {
    const bytes = sizeOf(parts);
    const left = this.#size - this.#bytesSent - bytes;
    if (left < 0) throw new Error("the content is longer than its size");
    const last = left === 0;
    const { output, options } = this.#session;
    if (this.command === "BDAT") {
      this.#session.send(`BDAT ${bytes}${last ? " LAST" : ""}`);
      for (const part of parts) output.push(part);
      options.observe?.("out", `(${bytes} octets of content)`);
    } else {
      for (const slice of this.#encoded(parts, last)) output.push(slice);
      if (last) options.observe?.("out", `(${this.#size} octets of content, end of data)`);
    }
    this.#bytesSent += bytes;
    this.#complete = last;
  }

  #encoded(parts: readonly Uint8Array[], last: boolean): readonly Uint8Array[] {
    const encoder = (this.#encoder ??= new ContentEncoder());
    const encoded: Uint8Array[] = [];
    for (const part of parts) encoder.encode(part, encoded);
    if (last) encoder.finish(encoded);
    return encoded;
  }
}

/** Octets of all parts. */
export function sizeOf(parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) size += part.length;
  return size;
}
