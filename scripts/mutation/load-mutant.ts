/** Loaded before everything else in each process of a test run: one module of src/ loads as the mutant that MUTANT describes. */
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

/** As MUTANT has it, in JSON. */
export interface Planted {
  readonly url: string;
  readonly start: number;
  readonly end: number;
  readonly after: string;
}

const { url: mutated, start, end, after } = JSON.parse(process.env["MUTANT"] ?? "") as Planted;

registerHooks({
  load(url, context, next) {
    if (url !== mutated) return next(url, context);
    const text = readFileSync(fileURLToPath(url), "utf8");
    const source = stripTypeScriptTypes(text.slice(0, start) + after + text.slice(end));
    return { format: "module", shortCircuit: true, source };
  },
});
