/** How near a test is to a file: the number of imports on the shortest way from one to the other; threads and programs that it starts count. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const specifier = /(?:from|import|new URL)\s*\(?\s*["'](\.[^"']+\.ts)["']/g;

export class Imports {
  readonly #root: string;
  readonly #targets = new Map<string, readonly string[]>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Imports between `from` and each file that it loads; itself is 0 away. */
  distancesFrom(from: string): ReadonlyMap<string, number> {
    const distances = new Map([[from, 0]]);
    // A map is walked in the order of its entries, those that are added meanwhile included.
    for (const [file, distance] of distances) {
      for (const target of this.#targetsOf(file)) if (!distances.has(target)) distances.set(target, distance + 1);
    }
    return distances;
  }

  #targetsOf(file: string): readonly string[] {
    const known = this.#targets.get(file);
    if (known !== undefined) return known;
    const text = readFileSync(path.join(this.#root, file), "utf8");
    // A test may have imports in its texts.
    const targets = [...text.matchAll(specifier)]
      .map(([, target]) => path.join(path.dirname(file), target ?? ""))
      .filter((target) => existsSync(path.join(this.#root, target)));
    this.#targets.set(file, targets);
    return targets;
  }
}
