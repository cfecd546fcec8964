/** Decisions of a generator, all from one seed, so that a case can be made again from its number. */
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export class Choices {
  readonly #random: SeededRandom;

  /** Case `index` of the run `seed`. */
  constructor(seed: number, index: number) {
    // Neighbouring seeds give neighbouring states; a few rounds of the multiplier part them.
    this.#random = new SeededRandom(Math.imul(seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b));
  }

  /** From 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.#random.next() * below);
  }

  /** `probability`: from 0 to 1. */
  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.int(values.length)];
    if (value === undefined && values.length === 0) throw new Error("nothing to choose from");
    return value as T;
  }

  /** The first of `values` mostly, the others now and then. */
  mostly<T>(values: readonly T[], probability = 0.85): T {
    return this.chance(probability) ? (values[0] as T) : this.pick(values);
  }

  /** `make` called up to `max` times. */
  several<T>(max: number, make: () => T): T[] {
    return Array.from({ length: this.int(max + 1) }, make);
  }

  shuffled<T>(values: readonly T[]): T[] {
    const rest = [...values];
    for (let at = rest.length - 1; at > 0; at--) {
      const other = this.int(at + 1);
      [rest[at], rest[other]] = [rest[other] as T, rest[at] as T];
    }
    return rest;
  }
}
