/** `posthaste queue list | show | stats`: reading the queue. */
import { asciiUpperCase } from "../../lib/ascii-case.ts";
import { queueCounts, type QueuedRecipient, queuePage } from "../api-shapes.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext, ServerApi } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode } from "../exit-code.ts";
import { printable } from "../../lib/printable-text.ts";
import { type Style, styleFor, tableColumns, textTable } from "../style.ts";
import { plural, relativeTime, sizeText, span } from "../words.ts";
import { filterOf, filterOptions } from "./queue-filter.ts";

const list: Command = {
  name: "queue list",
  summary: "list recipients in the queue, newest first",
  options: [
    ...filterOptions,
    { name: "limit", value: "N", summary: "at most N recipients; default 100" },
    { name: "after", value: "POSITION", summary: "continue after the last row of the previous page" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [{ name: "ID", optional: true, summary: "only this message" }],
  examples: [
    { line: "posthaste queue list --domain example.org", does: "what is waiting for one domain" },
    { line: "posthaste queue list --state held --json", does: "what is held, for a script" },
  ],
  run: async (given, context) => {
    const limit = given.number("limit", { min: 1, max: 1000 }) ?? 100;
    const after = given.text("after");
    await using api = await openApi(given, context);
    const query = new URLSearchParams({ ...filterOf(given), limit: String(limit), ...(after && { after }) });
    const answer = await ask(api, `/api/v1/queue?${query.toString()}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { recipients, next } = queuePage.parse(answer);
    const style = styleFor(context.stdout, context.environment);
    if (recipients.length === 0) context.stderr.write("Nothing in the queue matches.\n");
    else context.stdout.write(recipientTable(recipients, context, style));
    if (next !== null) context.stderr.write(`There are more: add --after ${next}\n`);
    return ExitCode.ok;
  },
};

const show: Command = {
  name: "queue show",
  summary: "show one message and the state of each recipient",
  options: [jsonOption, ...serverOptions],
  positionals: [{ name: "ID", summary: "the queue id from the 250 reply or the log" }],
  examples: [{ line: "posthaste queue show 4QJ7ZC2M9KXD", does: "all recipients, final ones too" }],
  run: async (given, context) => {
    const [id = ""] = given.positionals;
    await using api = await openApi(given, context);
    const recipients = await recipientsOf(api, asciiUpperCase(id));
    const [first] = recipients;
    if (!first) throw new CliError(ExitCode.data, `there is no message with the queue id ${id}, or it has been pruned`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify({ message: first.message, recipients })}\n`);
      return ExitCode.ok;
    }
    const style = styleFor(context.stdout, context.environment);
    const now = context.clock.now();
    const lines = [
      `${style.bold(first.message)}  ${printable(first.subject ?? "(no subject)")}`,
      `  from ${first.from === "" ? "<>" : printable(first.from)}, ${sizeText(first.size)}, received ${relativeTime(first.received_at, now)}`,
    ];
    for (const recipient of recipients) {
      lines.push(`  ${stateText(recipient, style)} ${printable(recipient.to)}${situation(recipient, now)}`);
      if (recipient.last_reply !== null) lines.push(style.dim(`    ${printable(recipient.last_reply)}`));
    }
    lines.push(style.dim(`  posthaste explain ${first.message} shows the whole history`), "");
    context.stdout.write(lines.join("\n"));
    return ExitCode.ok;
  },
};

const stats: Command = {
  name: "queue stats",
  summary: "show the size of the queue",
  options: [jsonOption, ...serverOptions],
  positionals: [],
  examples: [],
  run: async (given, context) => {
    await using api = await openApi(given, context);
    const answer = await ask(api, "/api/v1/queue/stats");
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { scheduled, claimed, held, oldest_seconds: oldest } = queueCounts.parse(answer);
    context.stdout.write(
      `${plural(scheduled, "recipient")} scheduled, ${claimed} being delivered, ${held} held\n` +
        (scheduled + claimed + held > 0 ? `The oldest message is ${span(oldest * 1000)} old.\n` : ""),
    );
    return ExitCode.ok;
  },
};

export const queueCommands: readonly Command[] = [list, show, stats];

const everyState = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"];

/** The API selects by one state or by all that are not final, so final ones are asked for state by state. */
async function recipientsOf(api: ServerApi, message: string): Promise<readonly QueuedRecipient[]> {
  const found: QueuedRecipient[] = [];
  for (const state of everyState) {
    const query = new URLSearchParams({ message, state, limit: "1000" });
    found.push(...queuePage.parse(await ask(api, `/api/v1/queue?${query.toString()}`)).recipients);
  }
  return found.toSorted((a, b) => a.index - b.index);
}

function recipientTable(recipients: readonly QueuedRecipient[], { stdout, clock }: CliContext, style: Style): string {
  const now = clock.now();
  const rows = recipients.map((recipient) => [
    recipient.message,
    recipient.state,
    recipient.waits_until === null ? "" : relativeTime(recipient.waits_until, now),
    String(recipient.attempts),
    printable(recipient.from === "" ? "<>" : recipient.from),
    printable(recipient.to),
    printable(recipient.why),
  ]);
  return textTable([["ID", "STATE", "UNTIL", "TRIES", "FROM", "TO", "WHY"], ...rows], {
    columns: tableColumns(stdout),
    right: [3],
    style,
  });
}

function stateText({ state }: QueuedRecipient, style: Style): string {
  const text = state.padEnd(9);
  if (state === "delivered" || state === "relayed") return style.green(text);
  if (state === "failed" || state === "expired") return style.red(text);
  return state === "held" ? style.yellow(text) : text;
}

function situation({ state, attempts, due, held }: QueuedRecipient, now: number): string {
  if (held !== null) return `, held by ${printable(held.by)}: ${printable(held.reason)}`;
  return state === "scheduled" ? `, ${plural(attempts, "attempt")}, next ${relativeTime(due, now)}` : "";
}
