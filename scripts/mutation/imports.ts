/**
 * How near a test is to a file: the number of imports on the shortest way from one to the other. Threads and programs that
 * it starts count as imports.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** However a test puts the path of the program together. */
const program = /\bmain\.ts["`]|\bbin\/posthaste["`]/;

/** Of modules, and of threads, which are named without their ending where they may be built. */
const specifier = /(?:from|import|new URL)\s*\(?\s*["'`](\.[^"'`]+?)(?:\.ts|\$\{extension\})["'`]/g;

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
      .map(([, target]) => path.join(path.dirname(file), `${target ?? ""}.ts`))
      .filter((target) => existsSync(path.join(this.#root, target)));
    if (file.startsWith("test/") && program.test(text)) targets.push("src/main.ts");
    this.#targets.set(file, targets);
    return targets;
  }
}
