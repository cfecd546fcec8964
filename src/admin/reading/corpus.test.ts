/**
 * Whole messages of our own writing, by kind and by language, as applications send them: the first code is the right one,
 * none is found where there is none, and the links are exactly those that are expected. Files named `held-back` were
 * written after the ranking was fixed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readCorpusMails } from "../../testing/mail-corpus.ts";
import { readContent } from "../readable-content.ts";

const mails = readCorpusMails(join(import.meta.dirname, "corpus"));

test("codes and links of the collected messages are found", async (t) => {
  const misses: string[] = [];
  let codesRight = 0;
  let linksRight = 0;
  for (const { name, raw, code, links } of mails) {
    const found = await readContent(raw);
    if (found.codes[0] === code) codesRight++;
    else
      misses.push(
        `${name}: code ${code ?? "none"}, found ${JSON.stringify(found.code_candidates.slice(0, 4), undefined, 1)}`,
      );
    if (JSON.stringify(found.links) === JSON.stringify(links)) linksRight++;
    else misses.push(`${name}: links ${links.join(" ")}, found ${found.links.join(" ")}`);
  }
  t.diagnostic(`codes: ${codesRight} of ${mails.length}; links: ${linksRight} of ${mails.length}`);
  assert.deepEqual(misses, []);
  assert.ok(mails.length >= 100);
});
