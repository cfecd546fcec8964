/** What an operator reads of a spool that was salvaged, and what a script goes by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestTerminal } from "../testing/cli-terminal.ts";
import type { CliContext, SalvagedSpool } from "./context.ts";

const whole: SalvagedSpool = {
  pages: 3000,
  damagedPages: [],
  logLoss: undefined,
  kept: { messages: 12, recipients: 30, scheduled: 4, held: 3, events: 50, records: 6, captured: 1 },
  lost: [],
  held: [],
  remains: [],
  nothingLost: true,
};

const damaged: SalvagedSpool = {
  ...whole,
  damagedPages: [{ page: 17, table: "recipients", reason: "it is no page of a tree" }],
  logLoss: "its log is damaged or cut before its end",
  lost: [{ message: "4QJ7ZC2M9KXD", what: "its content" }],
  held: [{ message: "4QJ7ZC2M9KXD", recipients: 2, reason: "its content is lost" }],
  remains: ["remains/4QJ7ZC2M9KXE.eml"],
  nothingLost: false,
};

test("spool salvage: what came back, what is lost, what is held and why, and an exit code for scripts", async () => {
  const terminal = new TestTerminal();
  const asked: unknown[] = [];
  const overrides: Partial<CliContext> = {
    salvageSpool: async (dataDir, options, progress) => {
      asked.push([dataDir, options]);
      progress(1, 3000, "pages");
      await terminal.clock.advance(1500);
      progress(2000, 3000, "pages");
      progress(2001, 3000, "pages");
      return options.logLost ? whole : damaged;
    },
  };
  const text = await terminal.run("spool salvage --data-dir /data", { overrides });
  assert.equal(text.code, 65);
  assert.equal(
    text.stdout,
    `/data/salvaged: 12 messages, 30 recipients (4 scheduled, 3 held), 50 events, 6 records, 1 captured messages
page 17 (recipients): it is no page of a tree
SQLite's log: its log is damaged or cut before its end
message 4QJ7ZC2M9KXD has lost its content
message 4QJ7ZC2M9KXD, recipients held: 2: its content is lost
left apart: /data/salvaged/remains/4QJ7ZC2M9KXE.eml
Everything else was saved.
`,
  );
  assert.equal(text.stderr, "2000 of 3000 pages\n", "progress once a second, from the second second on");
  const json = await terminal.run("spool salvage --data-dir /data --to new --log-lost --json", { overrides });
  assert.equal(json.code, 0);
  const { logLoss: _, ...told } = whole;
  assert.deepEqual(JSON.parse(json.stdout), { to: "/home/ann/new", ...told });
  assert.deepEqual(asked, [
    ["/data", { to: "/data/salvaged", logLost: false }],
    ["/data", { to: "/home/ann/new", logLost: true }],
  ]);
});
