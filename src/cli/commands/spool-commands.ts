/** `posthaste spool downgrade`: makes the way free for an older program. */
import type { Command } from "../command.ts";
import { findServer, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";

export const spoolCommands: readonly Command[] = [
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
