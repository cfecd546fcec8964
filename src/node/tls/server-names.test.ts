/** The certificate for a name: itself before a wildcard, one label only, whatever its case. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { choiceFor } from "./server-names.ts";

test("an exact name goes before a wildcard, a wildcard covers one label, and the first of several wins", () => {
  const choices = [
    { is: 1, names: ["*.example.net"] },
    { is: 2, names: ["mx.example.net", "example.com"] },
    { is: 3, names: ["example.com"] },
  ];
  const chosen = (name: string) => choiceFor(choices, name)?.is;
  assert.deepEqual(
    ["mx.example.net", "MX2.Example.NET.", "a.b.example.net", "example.net", "example.com", "", ".example.net"].map(
      chosen,
    ),
    [2, 1, undefined, undefined, 2, undefined, undefined],
  );
});
