/**
 * `posthaste spool check` tells what a disk has lost, `spool salvage` makes a new spool of the rest, and `spool downgrade`
 * makes the way free for an older program.
 */
import { join, resolve } from "node:path";
import type { Command } from "../command.ts";
import type { CliContext, SalvagedSpool } from "../context.ts";
import { findServer, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";

const progressMs = 1000;

export const spoolCommands: readonly Command[] = [
  {
    name: "spool check",
    summary: "check every page and content file of the spool, and list what is missing from each damaged message",
    description: "Stop the server first. This command changes nothing. Exit code 65: something is damaged.",
    options: [{ name: "json", summary: "print the result as JSON" }, ...serverOptions],
    positionals: [],
    examples: [{ line: "posthaste spool check", does: "after the log said spool-damaged" }],
    run: async (given, context) => {
      const { dataDir } = await findServer(given, context);
      const condition = await context.checkSpool(dataDir, progressOn(context));
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
        isWhole ? "Nothing is damaged." : "All other messages are intact; the server skips what is damaged.",
      ];
      context.stdout.write(`${lines.join("\n")}\n`);
      return isWhole ? ExitCode.ok : ExitCode.data;
    },
  },
  {
    name: "spool salvage",
    summary: "create a new spool from everything that a damaged one still holds",
    description:
      "Stop the server first, and run this before anything else opens the spool. This command only reads the damaged spool. It holds mail that may already have been delivered and mail that has lost its content. docs/reliability.md describes the next steps. Exit code 65: something was lost.",
    options: [
      {
        name: "to",
        value: "FOLDER",
        completes: "folder",
        summary: "a folder that does not exist yet; default: `salvaged` in the data directory",
      },
      { name: "log-lost", summary: "use when spool.db-wal is lost: hold everything that is not final" },
      { name: "json", summary: "print the result as JSON" },
      ...serverOptions,
    ],
    positionals: [],
    examples: [
      { line: "posthaste spool salvage", does: "after posthaste spool check has reported damage" },
      { line: "posthaste spool salvage --to /mnt/new/spool", does: "onto another disk, when this one is failing" },
    ],
    run: async (given, context) => {
      const { dataDir } = await findServer(given, context);
      const folder = given.text("to");
      const to = folder === undefined ? join(dataDir, "salvaged") : resolve(context.workingDirectory, folder);
      const options = { to, logLost: given.flag("log-lost") };
      const salvaged = await context.salvageSpool(dataDir, options, progressOn(context));
      const text = given.flag("json") ? JSON.stringify({ to, ...salvaged }) : salvagedText(to, salvaged);
      context.stdout.write(`${text}\n`);
      return salvaged.nothingLost ? ExitCode.ok : ExitCode.data;
    },
  },
  {
    name: "spool downgrade",
    summary: "convert the spool to an older format before you install an older Posthaste",
    description:
      "Stop the server and run this with the newer Posthaste. Mail, history and records are kept; docs/spool.md has the details.",
    options: [
      {
        name: "to",
        value: "FORMAT",
        summary: "the newest format that the older version supports; default: the format before the current one",
      },
      ...serverOptions,
    ],
    positionals: [],
    examples: [
      { line: "posthaste spool downgrade", does: "one format back" },
      { line: "posthaste spool downgrade --to 1", does: "for a Posthaste that knows formats up to 1" },
    ],
    run: async (given, context) => {
      const text = given.text("to");
      if (text !== undefined && !/^[1-9]\d{0,3}$/.test(text))
        throw usageError(`"${text}" is not a format: use a whole number from 1`);
      const { dataDir } = await findServer(given, context);
      const { from, to } = await context.downgradeSpool(dataDir, text === undefined ? undefined : Number(text));
      context.stdout.write(`Converted the spool in ${dataDir} from format ${from} to format ${to}.\n`);
      return ExitCode.ok;
    },
  },
];

/** Once a second, from the second second on. */
function progressOn({ clock, stderr }: CliContext): (done: number, all: number, what?: string) => void {
  let told = clock.monotonicMs();
  return (done, all, what = "pages") => {
    const now = clock.monotonicMs();
    if (now - told < progressMs) return;
    told = now;
    stderr.write(`${done} of ${all} ${what}\n`);
  };
}

function salvagedText(
  to: string,
  { kept, damagedPages, logLoss, lost, held, remains, nothingLost }: SalvagedSpool,
): string {
  const { messages, recipients, scheduled, held: waiting, events, records, captured } = kept;
  return [
    `${to}: ${messages} messages, ${recipients} recipients (${scheduled} scheduled, ${waiting} held), ${events} events, ${records} records, ${captured} captured messages`,
    ...damagedPages.map(({ page, table, reason }) => `page ${page} (${table}): ${reason}`),
    ...(logLoss === undefined ? [] : [`SQLite's log: ${logLoss}`]),
    ...lost.map(({ message, what }) => `message ${message} has lost ${what}`),
    ...held.map(({ message, recipients: count, reason }) => `message ${message}, recipients held: ${count}: ${reason}`),
    ...remains.map((name) => `left apart: ${to}/${name}`),
    nothingLost ? "Nothing was lost." : "Everything else was saved.",
  ].join("\n");
}
