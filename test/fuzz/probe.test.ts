/**
 * No parser takes more steps than its input grows by: a few hostile families for each target. Long runs:
 * `npm run fuzz -- --probe`. What is planted shows that each kind of slow reader would be found.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withCounters } from "./coverage.ts";
import { findText, probeTarget } from "./probe-run.ts";
import { countSteps } from "./steps.ts";
import type { FuzzTarget } from "./target.ts";

const counter = countSteps();
// Only now, so that the modules count.
const { targets } = await import("./targets.ts");

/** Readers of `text`, each slow in another way. */
const slow: readonly (readonly [what: string, code: string])[] = [
  ["a loop within a loop", "for (const a of text) if (a === ';') for (const b of text) if (b === '=') found++;"],
  ["an expression that begins anew at each blank", "text.replace(/\\s+$/, '');"],
  [
    "the parameters of Content-Type, as they once were",
    `const pattern = /[\\s;]*([^\\s;="]+)\\s*=\\s*([^;"\\s]*)/sy;
     for (let at = text.indexOf(';'); at !== -1;) {
       pattern.lastIndex = at;
       at = text.indexOf(';', pattern.exec(text) === null ? at + 1 : pattern.lastIndex);
     }`,
  ],
  ["a search for what is never there", "for (let at = 0; at < text.length; at++) if (text[at] === '(' && text.indexOf('~)~', at) > 0) found++;"],
  ["a list that is searched for each entry", "const seen = []; for (const part of text.split(';').entries()) if (!seen.includes(part)) seen.push(part);"],
  ["a list that is taken apart from the front", "for (const parts = text.split(';'); parts.length > 0;) parts.shift();"],
  ["a rest that is cut off again and again", "for (let rest = text; rest.length > 0; rest = rest.slice(1)) rest.trimEnd().toLowerCase();"],
  ["what has come, put together for each piece", "let all = Buffer.alloc(0); for (const a of text) all = Buffer.concat([all, Buffer.from(a)]);"],
]; // prettier-ignore

const sound: readonly (readonly [what: string, code: string])[] = [
  ["each word once", "for (const word of text.split(' ')) found += word.trim().length;"],
  ["a sticky expression that goes on", "const word = /[^;]*;?/y; while (word.lastIndex < text.length && word.exec(text)?.[0]) found++;"],
  ["a set", "const seen = new Set(); for (const part of text.split(';')) seen.add(part);"],
  ["sorting", "text.split(';').map((part, at) => part + (at * 7919 % 10007)).sort((a, b) => a < b ? -1 : 1);"],
]; // prettier-ignore

async function planted(code: string): Promise<FuzzTarget> {
  const text = withCounters(
    `export function read(text) { let found = 0; ${code} return found; }`,
    () => "++tally$.steps>tally$.limit&&tally$.over()",
  );
  const module = `const tally$=globalThis.stepCounter;${text}`;
  const { read } = (await import(`data:text/javascript,${encodeURIComponent(module)}`)) as {
    read(text: string): number;
  };
  return {
    name: "planted",
    family: "planted",
    seeds: () => [Buffer.from("text/plain; charset=utf-8; x=y (z)")],
    words: [";", "=", "("],
    bytesMax: 1024,
    run: (input) => void read(input.toString("latin1")),
  };
}

for (const [what, code] of slow) {
  test(`a probe finds ${what}`, async () => {
    const finds = await probeTarget(await planted(code), { counter, seed: 1, probes: 300, bytes: 1024, findsMax: 1 });
    assert.equal(finds.length, 1);
  });
}

for (const [what, code] of sound) {
  test(`no probe finds anything in ${what}`, async () => {
    const finds = await probeTarget(await planted(code), { counter, seed: 1, probes: 100, bytes: 1024, findsMax: 1 });
    assert.deepEqual(finds.map(findText), []);
  });
}

for (const target of targets) {
  test(`probe: ${target.name} takes no more steps than its input grows by`, async () => {
    const finds = await probeTarget(target, { counter, seed: 1, probes: 12, bytes: 1024, findsMax: 1 });
    assert.deepEqual(finds.map(findText), []);
  });
}
