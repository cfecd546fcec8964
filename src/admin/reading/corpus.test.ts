/**
 * Whole messages of our own writing, by kind and by language, as applications send them: the first code is the right one,
 * none is found where there is none, and the links are exactly those that are expected. Files named `held-back` were
 * written after the ranking was fixed. `sentences.jsonl` has single sentences, for the words of announcements.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readCorpusMails } from "../../testing/mail-corpus.ts";
import { readContent } from "../readable-content.ts";
import { findLinksAndCodes } from "./find.ts";

const folder = join(import.meta.dirname, "corpus");
const mails = readCorpusMails(folder);

test("codes and links of the collected messages are found, as often as the documentation says", async (t) => {
  const misses: string[] = [];
  let codesRight = 0;
  let linksRight = 0;
  for (const { name, raw, code, links } of mails) {
    const found = await readContent(raw);
    if (found.codes[0] === code) codesRight++;
    else misses.push(`${name}: code ${code ?? "none"}, found ${JSON.stringify(found.code_candidates.slice(0, 4))}`);
    if (JSON.stringify(found.links) === JSON.stringify(links)) linksRight++;
    else misses.push(`${name}: links ${links.join(" ")}, found ${found.links.join(" ")}`);
  }
  const rate = `${codesRight} of ${mails.length} codes and ${linksRight} of ${mails.length} lists of links`;
  t.diagnostic(rate);
  assert.deepEqual(misses, []);
  assert.ok(mails.length >= 150);
  const page = readFileSync(join(import.meta.dirname, "../../../docs/getting-started.md"), "utf8");
  assert.ok(page.replaceAll(/\s+/g, " ").includes(rate), `docs/getting-started.md says: ${rate}`);
});

test("codes of single sentences are found, and nothing else is", (t) => {
  const sentences = readFileSync(join(folder, "sentences.jsonl"), "utf8").trim().split("\n");
  for (const line of sentences) {
    const {
      code,
      subject = "",
      text = "",
      html = "",
    } = JSON.parse(line) as {
      readonly code: string | null;
      readonly subject?: string;
      readonly text?: string;
      readonly html?: string;
    };
    const { codes, code_candidates } = findLinksAndCodes({ subject, text, html });
    assert.deepEqual(codes, code === null ? [] : [code], `${line} ${JSON.stringify(code_candidates.slice(0, 3))}`);
  }
  t.diagnostic(`${sentences.length} sentences`);
});
