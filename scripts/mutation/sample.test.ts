import assert from "node:assert/strict";
import { test } from "node:test";
import { drawSample, type Candidate } from "./sample.ts";

const candidates = Array.from({ length: 200 }, (_, index): Candidate => {
  const before = String(index % 100);
  const place = { file: `src/${index % 7}.ts`, line: index, column: 1, lineText: `return ${before};` };
  return { ...place, kind: "number", start: 0, end: before.length, before, after: "x" };
});

test("one seed draws one sample, another seed another, and none has a mutant twice", () => {
  const sample = drawSample(candidates, 50, 1);
  assert.deepEqual(drawSample(candidates, 50, 1), sample);
  assert.notDeepEqual(drawSample(candidates, 50, 2), sample);
  assert.equal(new Set(sample).size, 50);
});

test("a larger sample begins with the smaller one, and a mutant more changes one place at most", () => {
  const sample = drawSample(candidates, 50, 1);
  assert.deepEqual(drawSample(candidates, 60, 1).slice(0, 50), sample);
  const without = drawSample(candidates.slice(1), 50, 1);
  assert.ok(without.filter((candidate) => !sample.includes(candidate)).length <= 1);
});

test("the sample does not depend on where in its file a mutant is", () => {
  const moved = candidates.map((candidate) => ({ ...candidate, line: candidate.line + 10, start: 100, end: 102 }));
  const texts = (sample: readonly Candidate[]) => sample.map(({ file, lineText }) => `${file} ${lineText}`);
  assert.deepEqual(texts(drawSample(moved, 50, 1)), texts(drawSample(candidates, 50, 1)));
});
