/**
 * Mutants that survive and may: nobody could tell them from the original, or telling would be worth less than the test. Each
 * is found by its file, the line it is on, and the change; the reason is for whoever reads the list.
 */
export interface Argued {
  readonly file: string;
  readonly lineText: string;
  readonly before: string;
  readonly after: string;
  readonly why: string;
}

export const argued: readonly Argued[] = [
  {
    file: "src/reporting/dmarc-aggregate/daily-reports.ts",
    lineText: "this.#arm(firstDelayMs + Math.floor(this.#options.random.next() * 10 * minuteMs));",
    before: "10",
    after: "11",
    why: "Starts of many servers are spread over ten minutes; any other number of minutes would do.",
  },
  {
    file: "src/queue/claimer.ts",
    lineText: "const page = slowMs > 0 ? { waitMs: slowMs } : space.page(nowMs);",
    before: "0",
    after: "1",
    why: "The page would come a millisecond early; it keeps its own bounds.",
  },
  {
    file: "src/dkim/canonicalization.ts",
    lineText: "while (tagStart < contentEnd) {",
    before: "<",
    after: "<=",
    why: "A tag that begins at the end of the field is empty, and no b=.",
  },
  {
    file: "src/node/spool/database-rows.ts",
    lineText: "if (size > source.count * pageBytes) throw new Damage(`it says that it has ${size} octets`);",
    before: ">",
    after: ">=",
    why: "Pages have headers: a row of as many octets as all of them has does not fit either, and is told as damaged.",
  },
];
