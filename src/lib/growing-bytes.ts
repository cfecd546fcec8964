/**
 * Octets that arrive in pieces and are looked at as one. A piece that comes alone is kept as it is; of many, each is copied
 * a bounded number of times however small they are, since the room for them doubles.
 */
const empty: Buffer = Buffer.alloc(0);

export class GrowingBytes {
  #buffer = empty;
  #start = 0;
  #end = 0;
  /** The buffer was made here, so that what is behind the end is free. */
  #own = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Valid until the next change; its octets stay until they are dropped. */
  get view(): Buffer {
    return this.#start === 0 && this.#end === this.#buffer.length
      ? this.#buffer
      : this.#buffer.subarray(this.#start, this.#end);
  }

  /** `piece` belongs here from now on. */
  append(piece: Buffer): void {
    const length = this.length;
    if (length === 0) {
      this.#buffer = piece;
      this.#start = 0;
      this.#end = piece.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#end + piece.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(length + piece.length, length * 2));
      this.#buffer.copy(grown, 0, this.#start, this.#end);
      this.#buffer = grown;
      this.#start = 0;
      this.#end = length;
      this.#own = true;
    }
    piece.copy(this.#buffer, this.#end);
    this.#end += piece.length;
  }

  dropFirst(count: number): void {
    this.#start += count;
    if (this.#start < this.#end) return;
    this.#buffer = empty;
    this.#start = 0;
    this.#end = 0;
    this.#own = false;
  }

  /** Keeps the first ones. */
  cutTo(count: number): void {
    this.#end = this.#start + Math.min(count, this.length);
  }
}
