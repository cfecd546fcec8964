/**
 * The rows of docs/rfc-checklist.md, each with the tests that bear its id, or why it does not apply yet. An id counts where
 * a string begins with it, alone or among others: that is how tests are named.
 */
import { globSync, readFileSync } from "node:fs";
import { markdownTable } from "./markdown-table.ts";

export interface Requirement {
  readonly id: string;
  readonly requirement: string;
  readonly level: string;
  readonly source: string;
  /** `file:line` of each. */
  readonly tests: readonly string[];
  /** Why it has no test, or need not have one. */
  readonly reason: string | undefined;
}

export interface Requirements {
  readonly rows: readonly Requirement[];
  /** Ids in tests that no row has, with their places. */
  readonly unknown: readonly string[];
}

/** Why rows have no test yet: the feature is missing, or does less than the row asks. By area, or by row. */
const notYet: Readonly<Record<string, string>> = {
  "DSN-017": "mailing lists are not there yet",
  OPT: "the extension is not offered yet",
  "SEC-016": "a certificate without DNS names is still accepted for its common name",
  LIST: "mailing lists and auto-replies are not there yet",
  FRONT: "milters are not there yet",
  ACC: "mailboxes are read by POP3 and IMAP servers; POP3 and Sieve are not there yet",
};

export function readRequirements(): Requirements {
  const rows = new Map<string, Requirement & { readonly tests: string[] }>();
  for (const line of checklist().split("\n")) {
    const [, id, requirement = "", level = "", source = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    if (id === undefined || !/^[A-Z]+-\d{3}$/.test(id)) continue;
    rows.set(id, { id, requirement, level, source, tests: [], reason: notYet[id] ?? notYet[areaOf(id)] });
  }
  const areas = new Set([...rows.keys()].map(areaOf));
  const unknown: string[] = [];
  for (const file of globSync(["src/**/*.test.ts", "test/**/*.ts"]).toSorted()) {
    const seen = new Set<string>();
    for (const [id, line] of idsIn(file)) {
      const row = rows.get(id);
      if (row === undefined) {
        if (areas.has(areaOf(id))) unknown.push(`${file}:${line}: ${id}`);
      } else if (!seen.has(id)) {
        seen.add(id);
        row.tests.push(`${file}:${line}`);
      }
    }
  }
  return { rows: [...rows.values()], unknown };
}

/** Rows that apply and that no test bears. */
export function untested({ rows }: Requirements): readonly Requirement[] {
  return rows.filter(({ tests, reason }) => tests.length === 0 && reason === undefined);
}

export function requirementsLine({ rows }: Requirements): string {
  const tested = rows.filter(({ tests }) => tests.length > 0).length;
  return `${tested} of ${rows.length} requirements have a passing test`;
}

/** For docs/rfc.md: a line for each area. */
export function requirementsTable({ rows }: Requirements): string {
  const subjects = new Map(
    [...checklist().matchAll(/^## ([A-Z]+) — (.*)$/gm)].map(([, area = "", subject = ""]) => [area, subject]),
  );
  const lines = [...Map.groupBy(rows, ({ id }) => areaOf(id))].map(([area, all]) => {
    const waiting = all.filter(({ tests }) => tests.length === 0);
    const reasons = new Set(waiting.map(({ reason }) => reason ?? "no test yet"));
    const why = waiting.length < all.length && waiting.length === 1 ? `${waiting[0]?.id ?? ""}: ` : "";
    return [
      area,
      subjects.get(area) ?? "",
      String(all.length),
      String(all.length - waiting.length),
      waiting.length === 0 ? "" : `${waiting.length}: ${why}${[...reasons].join("; ")}`,
    ];
  });
  const head = ["area", "subject", "rows", "with a test", "not yet, and why"];
  return markdownTable(head, lines, [false, false, true, true, false]);
}

function idsIn(file: string): readonly (readonly [id: string, line: number])[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((text, index) =>
      [...text.matchAll(/["'`]((?:[A-Z]+-\d{3}(?:,? |: | and )?)+)/g)].flatMap(([, ids = ""]) =>
        [...ids.matchAll(/[A-Z]+-\d{3}/g)].map(([id]) => [id, index + 1] as const),
      ),
    );
}

function areaOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

function checklist(): string {
  return readFileSync("docs/rfc-checklist.md", "utf8");
}
