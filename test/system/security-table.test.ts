/** Each row of "Decisions that fail closed" in docs/security.md names tests; this one holds that they are there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

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
