/** `posthaste queue retry | hold | release | remove`: nothing is changed without a filter and a count seen first. */
import { type OperatorVerb } from "../../spool/spool.ts";
import { countAnswer } from "../api-shapes.ts";
import { type Command, jsonOption, yesOption } from "../command.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import { plural } from "../words.ts";
import { filterOf, filterOptions } from "./queue-filter.ts";

interface Verb {
  readonly verb: OperatorVerb;
  readonly summary: string;
  readonly done: string;
  readonly question: string;
  readonly example: string;
  /** What the verb works on unless --state says otherwise. */
  readonly state?: string;
}

const verbs: readonly Verb[] = [
  {
    verb: "retry",
    summary: "try recipients again now",
    done: "due now",
    question: "Try them again now?",
    example: "posthaste queue retry --domain example.org",
    state: "scheduled",
  },
  {
    verb: "hold",
    summary: "hold recipients until they are released",
    done: "held",
    question: "Hold them?",
    example: "posthaste queue hold --from newsletter@example.org --reason 'wrong link'",
  },
  {
    verb: "release",
    summary: "release held recipients for delivery",
    done: "released",
    question: "Release them?",
    example: "posthaste queue release 4QJ7ZC2M9KXD",
    state: "held",
  },
  {
    verb: "remove",
    summary: "remove recipients from the queue without a report to the sender",
    done: "removed",
    question: "Remove them permanently?",
    example: "posthaste queue remove --to spamtrap@example.org --dry-run",
  },
];

const needs =
  "Requires an ID, a filter or --all. Shows how many recipients match and asks for confirmation before it changes anything.";
const leaves = "Recipients that are being delivered at that moment do not change; the output says how many they are.";

export const bulkCommands: readonly Command[] = verbs.map(bulkCommand);

function bulkCommand({ verb, summary, done, question, example, state }: Verb): Command {
  return {
    name: `queue ${verb}`,
    summary,
    description: ["hold", "remove"].includes(verb) ? `${needs} ${leaves}` : needs,
    options: [
      ...filterOptions,
      { name: "all", summary: "the whole queue, if no filter is given" },
      { name: "dry-run", summary: "only count" },
      ...(verb === "hold"
        ? [{ name: "reason", value: "TEXT", summary: "reason, shown with the held recipients" }]
        : []),
      yesOption,
      jsonOption,
      ...serverOptions,
    ],
    positionals: [{ name: "ID", optional: true, summary: "only this message" }],
    examples: [{ line: example, does: `counts, asks, and then they are ${done}` }],
    run: async (given, context) => {
      const chosen = filterOf(given);
      if (Object.keys(chosen).length === 0 && !given.flag("all")) {
        throw usageError("specify an ID, a filter (--from, --to, --domain, --state) or --all");
      }
      const filter = {
        ...(state !== undefined && { state }),
        ...chosen,
        ...(given.flag("all") && { all: true }),
      };
      const reason = verb === "hold" ? given.text("reason") : undefined;
      await using api = await openApi(given, context);
      const path = `/api/v1/queue/${verb}`;
      const found = countAnswer.parse(await ask(api, path, { method: "POST", json: { ...filter, dry_run: true } }));
      const count = `${found.more ? "over " : ""}${plural(found.count, "recipient")}`;
      if (given.flag("dry-run") || found.count === 0) {
        if (given.flag("json")) context.stdout.write(`${JSON.stringify({ count: found.count, changed: false })}\n`);
        else context.stderr.write(`${count} ${found.count === 1 ? "matches" : "match"}; nothing was changed.\n`);
        return ExitCode.ok;
      }
      if (!given.flag("yes")) {
        if (!context.stdin.isTerminal)
          throw usageError(`This would ${verb} ${count}. No terminal to ask on: add --yes`);
        const answer = await context.stdin.ask(
          `${count} ${found.count === 1 ? "matches" : "match"}. ${question} [y/N] `,
        );
        if (!/^y(es)?$/i.test(answer.trim())) {
          context.stderr.write("Nothing was changed.\n");
          return ExitCode.ok;
        }
      }
      const json = { ...filter, ...(reason !== undefined && { reason }) };
      const changed = countAnswer.parse(await ask(api, path, { method: "POST", json }));
      if (given.flag("json")) {
        const { count, under_way } = changed;
        context.stdout.write(`${JSON.stringify({ count, under_way, changed: true })}\n`);
      } else {
        context.stderr.write(`${plural(changed.count, "recipient")} ${done}${leftText(changed.under_way)}.\n`);
      }
      return ExitCode.ok;
    },
  };
}

/** What the verb could not reach any more. */
function leftText(underWay: number): string {
  if (underWay === 0) return "";
  return `; ${underWay} ${underWay === 1 ? "is being delivered and was" : "are being delivered and were"} left alone`;
}
