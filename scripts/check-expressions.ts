/**
 * How src/ may read a stranger's text. Every regular expression must be proven to take linear time, or be listed with the
 * reason in `expressions/accepted.ts`; one that is made while the program runs must always be listed. Letter case is that of
 * ASCII: no `i` together with `u` or `v`, and no `toLowerCase` and its kin, which know the Kelvin sign as a K.
 * `--list` prints all expressions with what was found.
 */
import { globSync } from "node:fs";
import { acceptedCaseChanges, acceptedExpressions, type Accepted } from "./expressions/accepted.ts";
import { textUsesOf, type TextUse } from "./expressions/collect.ts";
import { timeOf } from "./expressions/time.ts";

const list = process.argv.includes("--list");
const problems: string[] = [];
const used = new Set<Accepted>();

function isAccepted(entries: readonly Accepted[], file: string, matches: (code: string) => boolean): boolean {
  const entry = entries.find((candidate) => candidate.file === file && matches(candidate.code));
  if (entry !== undefined) used.add(entry);
  return entry !== undefined;
}

function problemOf(file: string, use: TextUse): string | undefined {
  switch (use.kind) {
    case "letter-case":
      return isAccepted(acceptedCaseChanges, file, (code) => use.code.startsWith(code))
        ? undefined
        : `${use.code}: use lib/ascii-case`;
    case "made-expression":
      return isAccepted(acceptedExpressions, file, (code) => code === use.code)
        ? undefined
        : `${use.code}: write it out, or list it in scripts/expressions/accepted.ts`;
    case "expression":
      return expressionProblem(file, use);
  }
}

function expressionProblem(file: string, { pattern, flags }: TextUse & { kind: "expression" }): string | undefined {
  const code = `/${pattern}/${flags}`;
  const beyondAscii = flags.includes("i") && /[uv]/.test(flags);
  if (beyondAscii && !isAccepted(acceptedCaseChanges, file, (listed) => code.startsWith(listed)))
    return `${code}: i with u or v takes the Kelvin sign for a K; leave one out`;
  const time = timeOf(pattern, flags);
  if (list) console.log(`${file}\t${time.kind}\t${code}`);
  if (time.kind === "linear" || isAccepted(acceptedExpressions, file, (listed) => listed === code)) return undefined;
  return time.kind === "unknown"
    ? `${code}: no proof of linear time, since ${time.reason}; write code, or list it in scripts/expressions/accepted.ts`
    : `${code}: not linear: repeat ${JSON.stringify(time.pump)}, which can be read by ${time.between.join(" and by ")}`;
}

let expressions = 0;
const files = globSync("src/**/*.ts").filter((file) => !/\.test\.ts$|^src\/testing\//.test(file));
for (const file of files.toSorted()) {
  for (const use of textUsesOf(file)) {
    if (use.kind !== "letter-case") expressions++;
    const problem = problemOf(file, use);
    if (problem !== undefined) problems.push(`${file}:${use.line}: ${problem}`);
  }
}
for (const entry of [...acceptedExpressions, ...acceptedCaseChanges]) {
  if (!used.has(entry)) problems.push(`scripts/expressions/accepted.ts: ${entry.file} has no ${entry.code} any more`);
}
for (const problem of problems) console.error(problem);
console.log(
  `expressions: ${expressions} in src, ${acceptedExpressions.length} of them by list, ${problems.length} to mend`,
);
process.exit(problems.length === 0 ? 0 : 1);
