/**
 * Makes CRLF of bare line ends in content that comes by BDAT, where no dots stand for anything and the client has told how
 * long the content is (RFC 3030 §2). What has none passes through as views.
 *
 * The result depends on the octets alone, never on how they were cut into pieces.
 */
import { BareLineEndFinder, type BareLineEnd } from "./bare-line-ends.ts";

const cr = 0x0d;
const lf = 0x0a;

export class LineEndRepair {
  readonly #finder = new BareLineEndFinder();
  /** The last octet was CR, handed out already; what follows tells whether it is bare. */
  #afterCr = false;
  #size = 0;
  #firstBareCr: number | undefined;

  /** Octets handed out so far. */
  get size(): number {
    return this.#size;
  }

  /** Kind of the first bare line end. */
  get first(): BareLineEnd | undefined {
    return this.#finder.first;
  }

  /** Where the first bare CR stands in the content that was handed out, once it is repaired. */
  get firstBareCr(): number | undefined {
    return this.#firstBareCr;
  }

  /** The last octet so far is CR: at the end of the content nothing is left to make a line end of it. */
  get endsInCr(): boolean {
    return this.#afterCr;
  }

  /** Repairs `bytes` from `start` to `end`, which follows what came before. */
  repair(bytes: Buffer, start: number, end: number): Uint8Array {
    const piece = this.#finder.scan(bytes, start, end) ? this.#copy(bytes, start, end) : bytes.subarray(start, end);
    if (end > start) this.#afterCr = bytes[end - 1] === cr;
    this.#size += piece.length;
    return piece;
  }

  #copy(bytes: Buffer, start: number, end: number): Buffer {
    // Two octets of one at most; the repair of a CR of the piece before adds one.
    const out = Buffer.allocUnsafe(2 * (end - start) + 1);
    let length = 0;
    let behindCr = this.#afterCr;
    for (let index = start; index < end; index++) {
      const octet = bytes[index] ?? 0;
      if (octet === lf && !behindCr) out[length++] = cr;
      if (octet !== lf && behindCr) {
        this.#firstBareCr ??= this.#size + length - 1;
        out[length++] = lf;
      }
      out[length++] = octet;
      behindCr = octet === cr;
    }
    return out.subarray(0, length);
  }
}
