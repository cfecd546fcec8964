/**
 * A short run of every target with a fixed seed, what earlier runs kept, and every input that once found a bug. Long runs:
 * `npm run fuzz`.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readCorpus } from "./corpus.ts";
import { Mutator } from "./mutator.ts";
import { targets } from "./targets.ts";

const finds = path.join(import.meta.dirname, "finds");

test("no two fuzz targets have one name: each has its corpus, its finds and its counts under it", () => {
  assert.equal(new Set(targets.map(({ name }) => name)).size, targets.length);
});

for (const target of targets) {
  test(`fuzz: ${target.name} holds for its seeds, for its corpus and for mutations of them`, async () => {
    const corpus = readCorpus(target);
    for (const input of [...target.seeds(), ...corpus]) await target.run(input);
    const mutator = new Mutator(target, 1, corpus);
    for (let run = 0; run < 500; run++) await target.run(mutator.next());
  });
  const folder = path.join(finds, target.name);
  if (!existsSync(folder)) continue;
  for (const name of readdirSync(folder).toSorted()) {
    test(`found by fuzzing: ${target.name}, ${name.replaceAll("-", " ")}`, async () => {
      await target.run(readFileSync(path.join(folder, name)));
    });
  }
}
