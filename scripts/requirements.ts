/**
 * `npm run requirements [-- --missing] [--area SPF] [--json]`: every row of docs/rfc-checklist.md with the tests that bear
 * its id, or why it does not apply yet. `npm test` and `.ci/run` say whether those tests pass. Its last line counts.
 * `--check` prints only what is wrong: ids in tests that no row has, and rows with neither test nor reason.
 */
import { globSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    missing: { type: "boolean", default: false },
    area: { type: "string" },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});

interface Row {
  readonly id: string;
  readonly requirement: string;
  readonly level: string;
  readonly source: string;
  readonly tests: string[];
  readonly reason: string | undefined;
}

/** Why rows have no test yet: what they speak of is not there. An area, or one row. */
const notYet: Readonly<Record<string, string>> = {
  "DSN-017": "mailing lists are not there yet",
  OPT: "the extension is not offered yet",
  SEC: "DANE, MTA-STS and TLS reports are not there yet",
  LIST: "mailing lists and auto-replies are not there yet",
  FRONT: "PROXY, XCLIENT and milter are not there yet",
  ACC: "mailboxes are read by POP3 and IMAP servers; POP3 and Sieve are not there yet",
  ...Object.fromEntries(
    Array.from({ length: 13 }, (_, index) => [
      `AUTH-${String(20 + index).padStart(3, "0")}`,
      "the mechanism is not offered yet: PLAIN and LOGIN are",
    ]),
  ),
};

const rows = new Map<string, Row>();
for (const line of readFileSync("docs/rfc-checklist.md", "utf8").split("\n")) {
  const [, id, requirement = "", level = "", source = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  if (id === undefined || !/^[A-Z]+-\d{3}$/.test(id)) continue;
  const reason = notYet[id] ?? notYet[id.slice(0, id.indexOf("-"))];
  rows.set(id, { id, requirement, level, source, tests: [], reason });
}

const unknown: string[] = [];
for (const file of globSync(["src/**/*.test.ts", "test/**/*.ts"]).toSorted()) {
  const seen = new Set<string>();
  for (const [index, text] of readFileSync(file, "utf8").split("\n").entries()) {
    // An id counts where a string begins with it, alone or among others: that is how tests are named.
    for (const [, ids = ""] of text.matchAll(/["'`]((?:[A-Z]+-\d{3}(?:,? |: | and )?)+)/g)) {
      for (const [id] of ids.matchAll(/[A-Z]+-\d{3}/g)) {
        const row = rows.get(id);
        if (row === undefined) {
          if (areas().has(id.slice(0, id.indexOf("-")))) unknown.push(`${file}:${index + 1}: ${id}`);
        } else if (!seen.has(id)) {
          seen.add(id);
          row.tests.push(`${file}:${index + 1}`);
        }
      }
    }
  }
}

const bare = [...rows.values()].filter(({ tests, reason }) => tests.length === 0 && reason === undefined);
const tested = [...rows.values()].filter(({ tests }) => tests.length > 0).length;

if (options.check) {
  for (const place of unknown) console.error(`${place}: there is no such requirement`);
  for (const { id } of bare) console.error(`${id}: no test bears this id, and no reason is given`);
} else if (options.json) {
  console.log(JSON.stringify([...rows.values()], undefined, 2));
} else {
  for (const { id, requirement, tests, reason } of rows.values()) {
    if (options.area !== undefined && !id.startsWith(`${options.area}-`)) continue;
    if (options.missing && tests.length > 0) continue;
    console.log(`${id}  ${requirement}`);
    for (const place of tests) console.log(`    ${place}`);
    if (tests.length === 0) console.log(`    ${reason === undefined ? "NO TEST" : `not yet: ${reason}`}`);
  }
}
if (!options.json) console.log(`${tested} of ${rows.size} requirements have a passing test`);
process.exitCode = options.check && (bare.length > 0 || unknown.length > 0) ? 1 : 0;

function areas(): ReadonlySet<string> {
  return new Set([...rows.keys()].map((id) => id.slice(0, id.indexOf("-"))));
}
