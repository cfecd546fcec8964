/**
 * Contents of freshly accepted messages, so that a first attempt reads nothing from the disk. Bounded in octets; the
 * oldest go first, since what has stayed long waits for a retry.
 */
export class ContentCache {
  readonly #bytesMax: number;
  readonly #contents = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Octets kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): Uint8Array | undefined {
    return this.#contents.get(id);
  }

  set(id: string, content: Uint8Array): void {
    this.delete(id);
    if (content.length > this.#bytesMax) return;
    this.#contents.set(id, content);
    this.#bytes += content.length;
    for (const [oldest, { length }] of this.#contents) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#contents.delete(oldest);
      this.#bytes -= length;
    }
  }

  delete(id: string): void {
    const content = this.#contents.get(id);
    if (content === undefined) return;
    this.#contents.delete(id);
    this.#bytes -= content.length;
  }
}
