/** `posthaste inbox list | show | wait | clear`: the captured mail. */
import { capturedMessage, capturedPage } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration, yesOption } from "../command.ts";
import type { CliContext, ServerApi } from "../context.ts";
import { ask, dataDirOption, configOption, devDataDir, openApi } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import { GivenArguments } from "../given-arguments.ts";
import { printable, printableLines } from "../../lib/printable-text.ts";
import { styleFor, tableColumns, textTable } from "../style.ts";
import { plural, relativeTime, sizeText } from "../words.ts";

const serverOptions = [
  { ...configOption, summary: "configuration of the server meant; default: that of `posthaste dev`" },
  dataDirOption,
] as const;

const filterOptions: readonly OptionDeclaration[] = [
  { name: "to", value: "TEXT", summary: "to an address that contains TEXT" },
  { name: "from", value: "TEXT", summary: "from an address that contains TEXT" },
  { name: "subject", value: "TEXT", summary: "with TEXT in the subject" },
  { name: "after", value: "ID", summary: "newer than the message ID" },
];

const list: Command = {
  name: "inbox list",
  summary: "list captured mail, newest first",
  options: [...filterOptions, jsonOption, ...serverOptions],
  positionals: [],
  examples: [{ line: "posthaste inbox list --to ann@example.org", does: "what one user got" }],
  run: async (given, context) => {
    await using api = await openInbox(given, context);
    const answer = await ask(api, `/api/v1/inbox?${queryOf(given).toString()}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { messages } = capturedPage.parse(answer);
    if (messages.length === 0) {
      context.stderr.write("No captured mail matches.\n");
      return ExitCode.ok;
    }
    const now = context.clock.now();
    const rows = messages.map(({ id, from, to, subject, received_at: receivedAt, size, junk }) => [
      id,
      relativeTime(receivedAt, now),
      sizeText(size),
      printable(from === "" ? "<>" : from),
      printable(to.join(", ")),
      `${junk === true ? "(junk) " : ""}${printable(subject)}`,
    ]);
    const { stdout, environment } = context;
    stdout.write(
      textTable([["ID", "RECEIVED", "SIZE", "FROM", "TO", "SUBJECT"], ...rows], {
        columns: tableColumns(stdout),
        right: [2],
        style: styleFor(stdout, environment),
      }),
    );
    return ExitCode.ok;
  },
};

const show: Command = {
  name: "inbox show",
  summary: "show one captured message: text, links and codes",
  options: [{ name: "raw", summary: "the message octet for octet" }, jsonOption, ...serverOptions],
  positionals: [{ name: "ID", optional: true, summary: "id of the message; default: the newest" }],
  examples: [{ line: "posthaste inbox show --raw > message.eml", does: "the newest one, into a file" }],
  run: async (given, context) => {
    await using api = await openInbox(given, context);
    const id = given.positionals[0] ?? (await newest(api));
    if (given.flag("raw")) {
      const response = await api.request(`/api/v1/inbox/${encodeURIComponent(id)}/raw`);
      if (!response.ok) throw new CliError(ExitCode.data, `no captured message has the id ${id}`);
      context.stdout.write(new Uint8Array(await response.arrayBuffer()));
      return ExitCode.ok;
    }
    return printMessage(await ask(api, `/api/v1/inbox/${encodeURIComponent(id)}`), given, context);
  },
};

const wait: Command = {
  name: "inbox wait",
  summary: "wait for a captured message, already there or still to come, and show it",
  options: [
    ...filterOptions,
    { name: "timeout", value: "TIME", summary: "give up after TIME, exit code 75; default 30s" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [],
  examples: [{ line: "posthaste inbox wait --to ann@example.org --subject 'Sign in' --json", does: "in a test" }],
  run: async (given, context) => {
    const timeoutMs = given.durationMs("timeout") ?? 30_000;
    if (timeoutMs > 300_000) throw usageError("--timeout is at most 300s");
    await using api = await openInbox(given, context, { serverOnly: true });
    const query = queryOf(given);
    query.set("timeout", `${timeoutMs}ms`);
    return printMessage(await ask(api, `/api/v1/inbox/wait?${query.toString()}`), given, context);
  },
};

const clear: Command = {
  name: "inbox clear",
  summary: "delete all captured mail",
  options: [yesOption, jsonOption, ...serverOptions],
  positionals: [],
  examples: [{ line: "posthaste inbox clear --yes", does: "before a test" }],
  run: async (given, context) => {
    await using api = await openInbox(given, context);
    const { messages } = capturedPage.parse(await ask(api, "/api/v1/inbox"));
    const count = plural(messages.length, "message");
    if (messages.length > 0 && !given.flag("yes")) {
      if (!context.stdin.isTerminal) throw usageError(`${count} would be deleted; off a terminal, --yes says so`);
      const answer = await context.stdin.ask(`Delete ${count} for good? [y/N] `);
      if (!/^y(es)?$/i.test(answer.trim())) {
        context.stderr.write("Nothing was deleted.\n");
        return ExitCode.ok;
      }
    }
    const answer = await ask(api, "/api/v1/inbox", { method: "DELETE" });
    if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
    else context.stderr.write(`${count} deleted.\n`);
    return ExitCode.ok;
  },
};

export const inboxCommands: readonly Command[] = [list, show, wait, clear];

/** Captured mail is the dev server's unless one is named. */
async function openInbox(
  given: GivenArguments,
  context: CliContext,
  options: { readonly serverOnly?: boolean } = {},
): Promise<ServerApi> {
  if (given.text("config") !== undefined || given.text("data-dir") !== undefined) {
    return await openApi(given, context, options);
  }
  const values = new Map([["data-dir", [await devDataDir(context)]]]);
  return await openApi(new GivenArguments(values, []), context, options);
}

function queryOf(given: GivenArguments): URLSearchParams {
  const entries = filterOptions.map(({ name }): [string, string] => [name, given.text(name) ?? ""]);
  return new URLSearchParams(entries.filter(([, value]) => value !== ""));
}

async function newest(api: ServerApi): Promise<string> {
  const [first] = capturedPage.parse(await ask(api, "/api/v1/inbox")).messages;
  if (!first) throw new CliError(ExitCode.data, "the inbox is empty");
  return first.id;
}

function printMessage(answer: unknown, given: GivenArguments, context: CliContext): ExitCode {
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const style = styleFor(context.stdout, context.environment);
  const message = capturedMessage.parse(answer);
  const lines = [
    `${style.dim("Id:")}      ${message.id}`,
    `${style.dim("From:")}    ${printable(message.from === "" ? "<>" : message.from)}`,
    `${style.dim("To:")}      ${printable(message.to.join(", "))}`,
    `${style.dim("Subject:")} ${style.bold(printable(message.subject))}`,
    "",
    printableLines((message.text ?? "(no text)").trimEnd()),
    "",
  ];
  if (message.codes.length > 0)
    lines.push(`${style.dim("Codes:")} ${message.codes.map((code) => printable(code)).join(", ")}`);
  if (message.links.length > 0) lines.push(style.dim("Links:"), ...message.links.map((link) => `  ${printable(link)}`));
  context.stdout.write(`${lines.join("\n").trimEnd()}\n`);
  return ExitCode.ok;
}
