/** The tables of docs/security.md name tests; these hold that they are there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

test("each attack in docs/security.md has a test, and every test that the page names exists", () => {
  const page = readFileSync("docs/security.md", "utf8");
  const [, rest = ""] = page.split("\n## Who attacks what\n");
  const [section = ""] = rest.split("\n## ");
  const rows = section.split("\n").filter((line) => /^\| (?!who |-)/.test(line));
  assert.ok(rows.length >= 19, `${rows.length} rows`);
  for (const row of rows) assert.match(row.split(" | ").at(-1) ?? "", /`[^`]+\.test\.ts`/, row);
  const files = [...page.matchAll(/`(?:npm test -- )?((?:src|test|scripts)\/[\w/.-]+)`/g)].map(([, file = ""]) => file);
  for (const file of files) assert.ok(existsSync(file), `docs/security.md names ${file}, which does not exist`);
});

test("each decision in docs/security.md that fails closed has the test that its row names", () => {
  const page = readFileSync("docs/security.md", "utf8");
  const [, rest = ""] = page.split("\n## Decisions that fail closed\n");
  const [section = ""] = rest.split("\n## "); // the tables of later sections name no tests
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| decision"));
  assert.ok(rows.length > 20, `${rows.length} rows`);
  for (const row of rows.filter((line) => !/^\| -+ \|/.test(line))) {
    const named = [...(row.split(" | ").at(-1) ?? "").matchAll(/`([^`]+\.test\.ts)`, "([^"]+)"/g)];
    assert.ok(named.length > 0, row);
    for (const [, file = "", words = ""] of named) {
      const names = [...readFileSync(file, "utf8").matchAll(/\btest\(\s*["'`](.*)["'`],/g)].map(
        ([, name = ""]) => name,
      );
      assert.ok(
        names.some((name) => name.includes(words)),
        `${file} has no test "${words}"`,
      );
    }
  }
});
