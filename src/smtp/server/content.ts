/**
 * The content of one message while it arrives at the server core, by DATA or by BDAT: what is handed on, what is counted,
 * and why it will be refused. Refused content is still read to its end, so that the session stays in step (RFC 1870 §4,
 * RFC 3030 §2), but no longer handed on.
 */
import { BareLineEndFinder, type BareLineEnd } from "../bare-line-ends.ts";
import { ContentDecoder } from "../content-decoder.ts";
import type { BodyType } from "../envelope.ts";
import { LineEndRepair } from "../line-end-repair.ts";
import type { Reply } from "../reply.ts";
import type { ContentRefusedEvent } from "./event.ts";
import type { ServerInput } from "./input.ts";
import { serverReplies } from "./replies.ts";

export interface ContentReceiverOptions {
  readonly via: "DATA" | "BDAT";
  readonly body: BodyType;
  /** 0: no limit. */
  readonly bytesMax: number;
  /** Content that was declared BINARYMIME is never repaired: its octets travel as they are (RFC 3030 §3). */
  readonly bareLineEnds: "refuse" | "repair";
}

type Refusal = Pick<ContentRefusedEvent, "reason" | "reply">;

export class ContentReceiver {
  readonly via: "DATA" | "BDAT";
  readonly #options: ContentReceiverOptions;
  readonly #decoder: ContentDecoder | undefined;
  /** For BDAT, where the content is text that is not repaired. */
  readonly #finder: BareLineEndFinder | undefined;
  /** For BDAT, where the content is text that is repaired. */
  readonly #repair: LineEndRepair | undefined;
  #chunkBytesLeft = 0;
  #lastChunk = false;
  #size = 0;
  #refusedWith: Reply | undefined;

  constructor(options: ContentReceiverOptions) {
    this.#options = options;
    this.via = options.via;
    if (options.via === "DATA") this.#decoder = new ContentDecoder(options);
    else if (options.body === "BINARYMIME") return;
    else if (options.bareLineEnds === "repair") this.#repair = new LineEndRepair();
    else this.#finder = new BareLineEndFinder();
  }

  /** Octets of content so far, handed on or not. */
  get size(): number {
    return this.#size;
  }

  /** Why the content will be refused, as far as it is known. The order is fixed, so that it is the same for any cut. */
  get refusal(): Refusal | undefined {
    const { bytesMax, bareLineEnds } = this.#options;
    if (this.#refusedWith !== undefined) return { reason: "driver", reply: this.#refusedWith };
    if (bytesMax > 0 && this.#size > bytesMax) return tooLarge;
    if (bareLineEnds === "repair") return this.complete && this.#repair?.endsInCr === true ? bareCr : undefined;
    if (this.bareLineEnd === undefined) return undefined;
    return this.bareLineEnd === "CR" ? bareCr : bareLf;
  }

  get bareLineEnd(): BareLineEnd | undefined {
    return this.#decoder?.bareLineEnd ?? this.#finder?.first ?? this.#repair?.first;
  }

  /** Where the first repaired CR stands in the content that was handed on. */
  get firstBareCr(): number | undefined {
    return this.#decoder?.firstBareCr ?? this.#repair?.firstBareCr;
  }

  /** The last octet of the content is read. */
  get complete(): boolean {
    return this.#decoder?.ended ?? (this.#lastChunk && this.#chunkBytesLeft === 0);
  }

  /** The end of data, or of the chunk, is reached. */
  get atBoundary(): boolean {
    return this.#decoder?.ended ?? this.#chunkBytesLeft === 0;
  }

  beginChunk(size: number, last: boolean): void {
    this.#chunkBytesLeft = size;
    this.#lastChunk = last;
    if (this.complete) this.#finder?.end();
  }

  refuse(reply: Reply): void {
    this.#refusedWith ??= reply;
  }

  /** Reads one piece of the input and gives what of it is to be handed on. */
  read(input: ServerInput): readonly Uint8Array[] {
    const piece = input.peek();
    if (piece === undefined) return nothing;
    const { chunk, offset } = piece;
    const slices: Uint8Array[] = [];
    if (this.#decoder) {
      input.consume(this.#decoder.decode(chunk, offset, slices));
      this.#size = this.#decoder.size;
    } else {
      const end = Math.min(chunk.length, offset + this.#chunkBytesLeft);
      const piece = this.#repair?.repair(chunk, offset, end) ?? chunk.subarray(offset, end);
      slices.push(piece);
      this.#finder?.scan(chunk, offset, end);
      this.#size += piece.length;
      this.#chunkBytesLeft -= end - offset;
      input.consume(end);
      if (this.complete) this.#finder?.end();
    }
    return this.refusal === undefined ? slices : nothing;
  }
}

const nothing: readonly Uint8Array[] = [];
const tooLarge: Refusal = { reason: "too-large", reply: serverReplies.tooLarge };
const bareCr: Refusal = { reason: "bare-cr", reply: serverReplies.bareCr };
const bareLf: Refusal = { reason: "bare-lf", reply: serverReplies.bareLf };
