/** Makes inputs from inputs: the same seed makes the same sequence. */
import type { FuzzTarget } from "./target.ts";

/** Inputs that are kept to mutate further; the oldest give way. */
const poolMax = 512;
const interestingOctets = [0, 9, 10, 13, 32, 34, 40, 41, 44, 46, 58, 59, 60, 61, 62, 64, 92, 127, 128, 255];

export class Mutator {
  readonly #target: FuzzTarget;
  readonly #pool: Buffer[];
  readonly #words: readonly Buffer[];
  #state: number;

  constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    this.#pool = target.seeds().map((bytes) => bytes.subarray(0, target.bytesMax));
    this.#words = target.words.map((word) => Buffer.from(word, "latin1"));
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** Sometimes a mutation of what it made before, so that changes add up. */
  next(): Buffer {
    const { bytesMax } = this.#target;
    let bytes = this.#from(this.#pool);
    const rounds = 1 + this.#below(this.#below(4) === 0 ? 12 : 3);
    for (let round = 0; round < rounds; round++) bytes = this.#mutate(bytes);
    if (bytes.length > bytesMax) bytes = bytes.subarray(0, bytesMax);
    if (this.#below(16) === 0) {
      if (this.#pool.length < poolMax) this.#pool.push(bytes);
      else this.#pool[this.#below(poolMax)] = bytes;
    }
    return bytes;
  }

  #mutate(bytes: Buffer): Buffer {
    const at = this.#below(bytes.length + 1);
    const length = Math.min(bytes.length - at, this.#length());
    switch (this.#below(10)) {
      case 0:
      case 1:
        return splice(bytes, at, 0, this.#from(this.#words));
      case 2:
        return splice(bytes, at, length, this.#from(this.#words));
      case 3:
        return splice(bytes, at, length, Buffer.alloc(0));
      case 4:
        return splice(bytes, at, 0, bytes.subarray(at, at + length));
      case 5: {
        const other = this.#from(this.#pool);
        const from = this.#below(other.length + 1);
        return splice(bytes, at, length, other.subarray(from, from + this.#length()));
      }
      case 6: {
        const copy = Buffer.from(bytes);
        if (copy.length > 0) copy[at % copy.length] = this.#from(interestingOctets);
        return copy;
      }
      case 7: {
        const copy = Buffer.from(bytes);
        if (copy.length > 0) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << this.#below(8));
        return copy;
      }
      case 8: {
        const piece = this.#below(2) === 0 ? this.#from(this.#words) : bytes.subarray(at, at + Math.min(length, 16));
        return splice(bytes, at, 0, Buffer.concat(Array.from({ length: 1 + this.#below(64) }, () => piece)));
      }
      default:
        return bytes.subarray(0, at);
    }
  }

  #length(): number {
    return 1 + this.#below(this.#below(4) === 0 ? 400 : 12);
  }

  #from<T>(list: readonly T[]): T {
    const chosen = list[this.#below(list.length)];
    if (chosen === undefined) throw new Error(`${this.#target.name} has nothing to begin with`);
    return chosen;
  }

  /** xorshift32. */
  #below(bound: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % bound;
  }
}

function splice(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  const result = Buffer.allocUnsafe(bytes.length - removed + inserted.length);
  bytes.copy(result, 0, 0, at);
  inserted.copy(result, at);
  bytes.copy(result, at + inserted.length, at + removed);
  return result;
}
