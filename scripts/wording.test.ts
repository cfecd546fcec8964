import assert from "node:assert/strict";
import { test } from "node:test";
import { unusedExceptions, wordingFaults } from "./wording.ts";

const wordsIn = (file: string, text: string) => wordingFaults(file, text, []).map(({ line, words }) => [line, words]);

test("a planted phrase is found in a document, a table, and across the end of a line", () => {
  assert.deepEqual(wordsIn("docs/a.md", "Fine.\nThe server puts mail off until tomorrow.\n"), [[2, "puts mail off"]]);
  assert.deepEqual(wordsIn("docs/a.md", "| a | refused for good |\n| b | fine |\n"), [[1, "for good"]]);
  assert.deepEqual(wordsIn("docs/a.md", "The key is removed for\ngood, and forgotten.\n"), [[1, "for good"]]);
  assert.deepEqual(wordsIn("docs/a.md", "An alias leads back to\nitself, which is seldom right.\n"), [
    [1, "leads back to itself"],
    [2, "seldom"],
  ]);
  assert.deepEqual(wordsIn("docs/a.md", "The sender is told.\n"), [[1, "sender is told"]]);
  assert.deepEqual(wordsIn("docs/a.md", "The server defers mail permanently.\n"), []);
});

test("in a source, only texts in quotes are read, not names and comments", () => {
  assert.deepEqual(wordsIn("src/a.ts", 'reply("550 5.1.1 This leads elsewhere");'), [[1, "leads elsewhere"]]);
  assert.deepEqual(wordsIn("src/a.ts", "log(`a message of ours: ${name}`);"), [[1, "of ours"]]);
  assert.deepEqual(wordsIn("src/a.ts", "// A message of ours.\n * of ours\nconst somebody = ours;"), []);
});

test("what is allowed with a reason is no fault, in its file alone, and only while it is there", () => {
  const allowed = [{ file: "docs/a.md", text: "sub-domain", reason: "a quotation" }];
  assert.deepEqual(wordingFaults("docs/a.md", "a sub-domain", allowed), []);
  assert.equal(wordingFaults("docs/b.md", "a sub-domain", allowed).length, 1);
  assert.deepEqual(
    unusedExceptions(() => "a sub-domain", allowed),
    [],
  );
  assert.deepEqual(
    unusedExceptions(() => "a subdomain", allowed),
    allowed,
  );
  assert.deepEqual(
    unusedExceptions(() => undefined, allowed),
    allowed,
  );
});
