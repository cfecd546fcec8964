/** Circles of imports: a planted one is found, whatever kind of import closes it, and nothing else is. */
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { importCircles, importsOf } from "./import-circles.ts";

/** The circles of a source tree, given as the text of each file. */
function circlesOf(files: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  const imports = Object.entries(files).map(([file, text]): [string, string[]] => [
    file,
    importsOf(text).map(({ target }) => path.join(path.dirname(file), target)),
  ]);
  return importCircles(new Map(imports));
}

test("a circle is found, whether values or types close it, on one line or on several", () => {
  const closing = [
    'import { a } from "./a.ts";',
    'import type { A } from "./a.ts";',
    'import {\n  type A,\n  type B,\n} from "./a.ts";',
    'import "./a.ts";',
    'export { a } from "./a.ts";',
    'export type * from "./a.ts";',
    'const { a } = await import("./a.ts");',
    'type A = import("./a.ts").A;',
  ];
  for (const text of closing) {
    const files = {
      "x/a.ts": 'import type { B } from "./b.ts";\n',
      "x/b.ts": 'import { c } from "../y/c.ts";\n',
      "y/c.ts": `${text.replace("./a.ts", "../x/a.ts")}\n`,
    };
    assert.deepEqual(circlesOf(files), [["x/a.ts", "x/b.ts", "y/c.ts"]], text);
  }
});

test("two ways to the same file are no circle, and neither is a long way down", () => {
  const files = {
    "a.ts": 'import "./b.ts";\nimport "./c.ts";\n',
    "b.ts": 'import "./d.ts";\n',
    "c.ts": 'import "./d.ts";\nimport "./b.ts";\n',
    "d.ts": "export const d = 1;\n",
  };
  assert.deepEqual(circlesOf(files), []);
});

test("circles apart from each other are told apart, what only leads to one is left out, and a file may not import itself", () => {
  const files = {
    "start.ts": 'import "./a.ts";\nimport "./c.ts";\n',
    "a.ts": 'import "./b.ts";\n',
    "b.ts": 'import "./a.ts";\nimport "./c.ts";\n',
    "c.ts": 'import "./d.ts";\n',
    "d.ts": 'import "./e.ts";\nimport "./c.ts";\n',
    "e.ts": 'import "./c.ts";\n',
    "own.ts": 'import "./own.ts";\n',
  };
  assert.deepEqual(circlesOf(files), [["c.ts", "d.ts", "e.ts"], ["a.ts", "b.ts"], ["own.ts"]]);
});
