/** Chance by name: each part of a simulation draws from a stream of its own, so that leaving one out changes no other. */
import { crc32 } from "node:zlib";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export class Chance extends SeededRandom {
  constructor(seed: number, part: string) {
    super(crc32(`${seed} ${part}`));
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  }
}
