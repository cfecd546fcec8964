import assert from "node:assert/strict";
import { test } from "node:test";
import { parseYamlDocuments, yamlList, yamlMap, yamlText } from "./simple-yaml.ts";

test("what the published suites use of YAML is read", () => {
  const text = `# comment
---
description: >-
  two
  lines
tests:
  one:
    spec: 4.3/1 # where
    host: "\\x80[1.2.3.4]"
    quoted: 'it''s: so'
    list: [pass, 'fail']
    empty:
    message: |
      From: a

      text
        deeper
  two:
    plain: goes
      on
zone:
  a.example:
    - TIMEOUT
    - MX: [0, '']
    - SPF: v=spf1
           -all
    -
      - x
---
last: 1
`;
  const documents = parseYamlDocuments(text);
  assert.equal(documents.length, 2);
  const first = yamlMap(documents[0]);
  assert.equal(first["description"], "two lines");
  assert.deepEqual(first["tests"], {
    one: {
      spec: "4.3/1",
      host: "\u0080[1.2.3.4]",
      quoted: "it's: so",
      list: ["pass", "fail"],
      empty: null,
      message: "From: a\n\ntext\n  deeper\n",
    },
    two: { plain: "goes on" },
  });
  assert.deepEqual(first["zone"], {
    "a.example": ["TIMEOUT", { MX: ["0", ""] }, { SPF: "v=spf1 -all" }, ["x"]],
  });
  assert.equal(yamlText(yamlMap(documents[1])["last"]), "1");
  assert.deepEqual(yamlList("x"), ["x"]);
});

test("a name given twice is an error, not a lost case", () => {
  assert.throws(() => parseYamlDocuments("a: 1\na: 2\n"), /twice/);
});
