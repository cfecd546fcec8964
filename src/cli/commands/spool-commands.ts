/** `posthaste spool check` tells what a disk has lost; `posthaste spool downgrade` makes the way free for an older program. */
import type { Command } from "../command.ts";
import { findServer, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";

const progressMs = 1000;

export const spoolCommands: readonly Command[] = [
  {
    name: "spool check",
    summary: "look at every page and content file of the spool, and tell which messages have lost what",
    description:
      "Run it with the server stopped. It changes nothing but SQLite's log, which goes into the database. Exit code 65: something is damaged.",
    options: [{ name: "json", summary: "print the result as JSON" }, ...serverOptions],
    positionals: [],
    examples: [{ line: "posthaste spool check", does: "after the log said spool-damaged" }],
    run: async (given, context) => {
      const { dataDir } = await findServer(given, context);
      let told = context.clock.monotonicMs();
      const condition = await context.checkSpool(dataDir, (done, all) => {
        const now = context.clock.monotonicMs();
        if (now - told < progressMs) return;
        told = now;
        context.stderr.write(`${done} of ${all} pages\n`);
      });
      const { pages, messages, recipients, faults, badPages, damaged } = condition;
      const isWhole = faults.length + badPages.length + damaged.length === 0;
      if (given.flag("json")) {
        context.stdout.write(`${JSON.stringify({ whole: isWhole, ...condition })}\n`);
        return isWhole ? ExitCode.ok : ExitCode.data;
      }
      const lines = [
        `${dataDir}/spool.db: ${pages} pages, ${messages} messages, ${recipients} recipients`,
        ...badPages.map(({ page, table, reason }) => `page ${page} (${table}): ${reason}`),
        ...damaged.map(({ message, lost }) => `message ${message} has lost ${lost}`),
        ...faults.map((fault) => `SQLite: ${fault}`),
        isWhole ? "Nothing is damaged." : "All other messages are whole; the server leaves out what is damaged.",
      ];
      context.stdout.write(`${lines.join("\n")}\n`);
      return isWhole ? ExitCode.ok : ExitCode.data;
    },
  },
  {
    name: "spool downgrade",
    summary: "take the spool back to an older format, before an older Posthaste is installed",
    description:
      "Run it with the newer Posthaste, its server stopped. Mail, history and records stay; docs/spool.md tells more.",
    options: [
      { name: "to", value: "FORMAT", summary: "the format that the older one knows; default: one below the present" },
      ...serverOptions,
    ],
    positionals: [],
    examples: [
      { line: "posthaste spool downgrade", does: "one format back" },
      { line: "posthaste spool downgrade --to 1", does: "for a Posthaste that says it knows formats up to 1" },
    ],
    run: async (given, context) => {
      const text = given.text("to");
      if (text !== undefined && !/^[1-9]\d{0,3}$/.test(text))
        throw usageError(`"${text}" is not a format: a number from 1`);
      const { dataDir } = await findServer(given, context);
      const { from, to } = await context.downgradeSpool(dataDir, text === undefined ? undefined : Number(text));
      context.stdout.write(`The spool in ${dataDir} had format ${from} and has format ${to} now.\n`);
      return ExitCode.ok;
    },
  },
];
