/** Makes inputs from inputs: the same seed makes the same sequence. */
import type { FuzzTarget } from "./target.ts";

/** Inputs that are kept to mutate further; the oldest give way. */
const poolMax = 512;
const interestingOctets = [0, 9, 10, 13, 32, 34, 40, 41, 44, 46, 58, 59, 60, 61, 62, 64, 92, 127, 128, 255];

export class Mutator {
  readonly #target: FuzzTarget;
  readonly #pool: Buffer[];
  readonly #kept: Buffer[];
  readonly #words: readonly Buffer[];
  #state: number;

  /** `corpus`: inputs that were once worth keeping. */
  constructor(target: FuzzTarget, seed: number, corpus: readonly Buffer[] = []) {
    this.#target = target;
    this.#pool = target.seeds().map((bytes) => bytes.subarray(0, target.bytesMax));
    this.#kept = [...corpus];
    this.#words = target.words.map((word) => Buffer.from(word, "latin1"));
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** Sometimes a mutation of what it made before, so that changes add up. */
  next(): Buffer {
    const { bytesMax } = this.#target;
    let bytes = this.#base();
    const rounds = 1 + this.#below(this.#below(4) === 0 ? 12 : 3);
    for (let round = 0; round < rounds; round++) bytes = this.#mutate(bytes);
    if (bytes.length > bytesMax) bytes = bytes.subarray(0, bytesMax);
    if (this.#below(16) === 0) {
      if (this.#pool.length < poolMax) this.#pool.push(bytes);
      else this.#pool[this.#below(poolMax)] = bytes;
    }
    return bytes;
  }

  /** This input was worth it: more like it, and it never gives way. */
  keep(bytes: Buffer): void {
    this.#kept.push(bytes);
  }

  /** A long input: a piece of another, or some words, over and over; or one word over and over, then a second. */
  stretch(bytesMax: number): Buffer {
    const base = this.#base();
    const at = this.#below(base.length + 1);
    const length = Math.min(base.length - at, this.#length());
    const room = bytesMax - base.length;
    const word = () => (this.#below(3) === 0 ? base.subarray(at, at + length) : this.#from(this.#words));
    if (this.#below(4) === 0) {
      return splice(base, at, 0, Buffer.concat([repeated(word(), room / 2), repeated(word(), room / 2)]));
    }
    const piece = Buffer.concat(Array.from({ length: 1 + this.#below(3) }, word));
    return splice(base, at, 0, repeated(piece, room));
  }

  #base(): Buffer {
    const kept = this.#kept.length;
    if (kept === 0 || this.#below(2) === 0) return this.#from(this.#pool);
    // What was kept last has been worked on least.
    const newest = this.#below(2) === 0 ? Math.min(kept, 32) : kept;
    return this.#kept[kept - 1 - this.#below(newest)] ?? this.#from(this.#pool);
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

function repeated(piece: Buffer, bytes: number): Buffer {
  return piece.length === 0 ? piece : Buffer.alloc(Math.max(0, Math.floor(bytes)), piece);
}

function splice(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  const result = Buffer.allocUnsafe(bytes.length - removed + inserted.length);
  bytes.copy(result, 0, 0, at);
  inserted.copy(result, at);
  bytes.copy(result, at + inserted.length, at + removed);
  return result;
}
