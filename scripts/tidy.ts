/** What no linter of ours knows: banned words, files nobody imports, sections cited without a row in docs/rfc.md, long files. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { otherOptionalFields } from "./optional-fields.ts";

const problems: string[] = [];
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));
const sources = files.filter((file) => /\.(ts|cjs|mjs)$/.test(file));

/** Assembled, so that this file does not find itself. */
const banned: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(`\\b(${["FIX", "TO"].map((half) => half + (half === "TO" ? "DO" : "ME")).join("|")}|X{3}|HA${"CK"})\\b`),
    "finish it, or say it in docs/",
  ],
  [new RegExp(`@ts-${"ignore"}|@ts-${"expect-error"}|oxlint-${"disable"}|eslint-${"disable"}`), "mend the cause"],
  [new RegExp(`\\b(test|describe|it)\\.${"only"}\\(`), "the other tests would not run"],
  [/^\s*(?:export )?const [A-Z][A-Z0-9_]+\b/, "a constant is named like a variable, with its unit last: idleTimeoutMs"],
  [
    new RegExp(`\\bskip\\((["'\`])no (?:conformance )?${"data"}`),
    "vectorPath or readVectors of src/testing/conformance-data.ts, whose skips the summary counts",
  ],
  [
    new RegExp(
      `["'\`][^"'\`]*(?:a reason of ${"our"} own|something (?:unexpected|went ${"wrong"})|an unexpected ${"error"})`,
      "i",
    ),
    "say what failed, where, and why",
  ],
];

/** Which characters are unsafe to show is said in one place. Those named judge or write something else than text for people. */
const unsafeCharacters = /\\u0000-\\u001f|\\x00-\\x1f|\\u007f-\\u009f|\\x7f-\\x9f|\\u202a|\\p\{C/;
const knowUnsafeCharacters: ReadonlySet<string> = new Set([
  "src/lib/printable-text.ts",
  // What an address and a login name may not have, what XML cannot say, what a file name may not have.
  "src/address/mailbox-text.ts",
  "src/smtp/client/commands.ts",
  "src/smtp/recipient-parameters.ts",
  "src/sasl/string-preparation.ts",
  "src/dmarc/report/make-report.ts",
  "src/outbound/maildir-delivery.ts",
]);

/** Started by name rather than imported. */
const roots = [
  /\.test\.ts$/,
  /^src\/(main|index|embedding\/(testing|smtp|ports|node)|node\/spool\/spool-thread|server\/sending\/(report|maildir)-thread|server\/http-side\/reading-thread)\.ts$/,
  /^scripts\//,
  /^bench\//,
  /^test\/(attack|interop|crash|faults|system|browser|oracle|thunderbird)\//,
];
const imported = new Set<string>();
for (const file of sources) {
  const text = readFileSync(file, "utf8");
  text.split("\n").forEach((line, index) => {
    for (const [pattern, remedy] of banned) {
      if (pattern.test(line)) problems.push(`${file}:${index + 1}: ${pattern.exec(line)?.[0] ?? ""}: ${remedy}`);
    }
  });
  for (const line of otherOptionalFields(text)) {
    problems.push(`${file}:${line}: a field that may be absent is written ...(value !== undefined && { value })`);
  }
  if (/^src\/.*(?<!\.test)\.ts$/.test(file) && unsafeCharacters.test(text) && !knowUnsafeCharacters.has(file)) {
    problems.push(`${file}: names unsafe characters by itself: use lib/printable-text.ts`);
  }
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)) {
    imported.add(path.normalize(path.join(path.dirname(file), target ?? "")));
  }
}
for (const file of sources) {
  if (!imported.has(file) && !roots.some((root) => root.test(file))) problems.push(`${file}: nothing imports it`);
}

/**
 * Where the time of day is meant: in what is stored, or said to others. Anything else that sessions, limits and deliveries ask
 * of a clock is a duration, and somebody may set the time of day meanwhile.
 */
const datesIn = new Set([
  "src/accounts/accounts.ts",
  "src/accounts/user-key-administration.ts",
  "src/accounts/app-password-administration.ts",
  "src/accounts/last-uses.ts",
  "src/accounts/sender-grant-administration.ts",
  "src/accounts/user-administration.ts",
  "src/intake/header-edit.ts",
  "src/intake/submission.ts",
  "src/outbound/capture-delivery.ts",
  "src/outbound/delivery-attempt.ts",
  "src/outbound/delivery-probe.ts",
  "src/outbound/smtp-client-connection.ts",
  "src/policy/authentication/sender-authentication.ts",
  "src/policy/bans.ts",
  "src/policy/greylisting/greylist.ts",
  "src/policy/greylisting/greylisting-stage.ts",
]);
for (const file of sources) {
  if (!/^src\/(accounts|inbound|intake|outbound|policy)\//.test(file) || file.endsWith(".test.ts") || datesIn.has(file))
    continue;
  if (/\bclock\??\.now\(\)/i.test(readFileSync(file, "utf8"))) {
    problems.push(`${file}: a duration is measured by monotonicMs(); clock.now() is for dates`);
  }
}

/** A file of more lines than this holds a second idea. */
const fileLinesMax = 350;
/** Older than the rule, with the length that each may have until somebody finds the second idea in it. */
const longFiles: Readonly<Record<string, number>> = {
  "src/inbound/connection.ts": 368,
  "src/node/spool/sqlite-spool.ts": 429,
  "src/outbound/connection-setup.ts": 367,
  "src/testing/spool/journal-spool.ts": 376,
  "src/testing/spool/memory-spool.ts": 409,
};
for (const file of sources.filter((name) => /^src\/.*(?<!\.test)\.ts$/.test(name))) {
  const lines = readFileSync(file, "utf8").split("\n").length - 1;
  const max = longFiles[file] ?? fileLinesMax;
  if (lines > max) problems.push(`${file}: ${lines} lines, more than ${max}: find the second idea in it`);
  if (file in longFiles && lines <= fileLinesMax) problems.push(`scripts/tidy.ts: ${file} is no longer long`);
}

const status = existsSync("docs/rfc.md") ? readFileSync("docs/rfc.md", "utf8") : "";
const cited = new Set<string>();
for (const file of sources.filter((name) => name.startsWith("src/"))) {
  for (const [, number] of readFileSync(file, "utf8").matchAll(/\bRFC (\d{3,5})\b/g)) cited.add(number ?? "");
}
for (const number of [...cited].toSorted()) {
  if (!new RegExp(`\\b${number}\\b`).test(status))
    problems.push(`docs/rfc.md: no row for RFC ${number}, which the code cites`);
}

for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "tidy: nothing to mend" : `tidy: ${problems.length} to mend`);
process.exit(problems.length === 0 ? 0 : 1);
