/** `posthaste inbox list | show | wait | clear`: the captured mail. */
import { readHtml } from "../../admin/reading/html-text.ts";
import {
  type CapturedListing,
  type CapturedMessage,
  capturedMessage,
  capturedMessages,
  capturedPage,
  deletedAnswer,
  vainWait,
} from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration, yesOption } from "../command.ts";
import type { CliContext, ServerApi } from "../context.ts";
import { answerOf, ask, dataDirOption, configOption, devDataDir, openApi } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import { GivenArguments } from "../given-arguments.ts";
import { printable, printableLines } from "../../lib/printable-text.ts";
import { styleFor, tableColumns, textTable } from "../style.ts";
import { plural, relativeTime, sizeText } from "../words.ts";

const serverOptions = [
  { ...configOption, summary: "configuration file of the server; default: that of `posthaste dev`" },
  dataDirOption,
] as const;

const filterOptions: readonly OptionDeclaration[] = [
  { name: "to", value: "ADDRESS", summary: "to this recipient" },
  { name: "from", value: "ADDRESS", summary: "from this sender: the reverse-path, or an address of the From field" },
  { name: "subject", value: "TEXT", summary: "with exactly this subject" },
  ...["to", "from", "subject"].flatMap((name) => [
    { name: `${name}-contains`, value: "TEXT", summary: `with TEXT in ${partName(name)}` },
    {
      name: `${name}-pattern`,
      value: "PATTERN",
      summary: `with ${partName(name)} like PATTERN; * stands for any text`,
    },
  ]),
];

const afterOption = { name: "after", value: "ID", summary: "that arrived after message ID" } as const;

function partName(name: string): string {
  return name === "subject" ? "the subject" : name === "to" ? "a recipient" : "a sender";
}

const list: Command = {
  name: "inbox list",
  summary: "list captured mail, newest first",
  options: [
    ...filterOptions,
    afterOption,
    { name: "before", value: "ID", summary: "that arrived before message ID" },
    { name: "limit", value: "N", summary: "list at most N; default and maximum 1000" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [],
  examples: [{ line: "posthaste inbox list --to ann@example.org", does: "the mail of one user" }],
  run: async (given, context) => {
    const query = queryOf(given, ["after", "before"]);
    const limit = given.number("limit", { min: 1, max: 1000 });
    if (limit !== undefined) query.set("limit", String(limit));
    await using api = await openInbox(given, context);
    const answer = await ask(api, inboxPath(query));
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { messages, next } = capturedPage.parse(answer);
    if (messages.length === 0) {
      context.stderr.write("No captured mail matches.\n");
      return ExitCode.ok;
    }
    context.stdout.write(listing(messages, context));
    const last = messages.at(-1);
    if (next !== null && last) context.stderr.write(`There is more: add --before ${last.id}\n`);
    return ExitCode.ok;
  },
};

const show: Command = {
  name: "inbox show",
  summary: "show one captured message: text, links and codes",
  options: [{ name: "raw", summary: "print the message exactly as it was received" }, jsonOption, ...serverOptions],
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
    return printMessages(await ask(api, `/api/v1/inbox/${encodeURIComponent(id)}`), given, context);
  },
};

const wait: Command = {
  name: "inbox wait",
  summary: "wait for a captured message, unless one has already arrived, and show it",
  options: [
    ...filterOptions,
    afterOption,
    {
      name: "count",
      value: "N",
      summary: "wait until there are N messages, and show the newest N in the order of arrival",
    },
    { name: "timeout", value: "TIME", summary: "give up after TIME, exit code 75; default 30s" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [],
  examples: [{ line: "posthaste inbox wait --to ann@example.org --subject 'Sign in' --json", does: "in a test" }],
  run: async (given, context) => {
    const timeoutMs = given.durationMs("timeout") ?? 30_000;
    if (timeoutMs > 300_000) throw usageError("--timeout can be at most 300s");
    const query = queryOf(given, ["after"]);
    const count = given.number("count", { min: 1, max: 100 });
    if (count !== undefined) query.set("count", String(count));
    query.set("timeout", `${timeoutMs}ms`);
    await using api = await openInbox(given, context, { serverOnly: true });
    const response = await api.request(`/api/v1/inbox/wait?${query.toString()}`);
    if (response.status === 504) return reportInVain(await response.json(), context);
    return printMessages(await answerOf(response), given, context);
  },
};

const clear: Command = {
  name: "inbox clear",
  summary: "delete captured mail: all of it, or the messages that a filter selects",
  options: [...filterOptions, yesOption, jsonOption, ...serverOptions],
  positionals: [],
  examples: [
    { line: "posthaste inbox clear --yes", does: "before a test" },
    { line: "posthaste inbox clear --to ann@example.org --yes", does: "the mail of one user" },
  ],
  run: async (given, context) => {
    const query = queryOf(given, []);
    await using api = await openInbox(given, context);
    const { messages, next, total } = capturedPage.parse(await ask(api, inboxPath(query)));
    const found = query.size === 0 ? total : messages.length;
    if (found > 0 && !given.flag("yes")) {
      const count = `${query.size > 0 && next !== null ? "more than " : ""}${plural(found, "message")}`;
      if (!context.stdin.isTerminal) throw usageError(`This would delete ${count}. No terminal to ask on: add --yes`);
      const answer = await context.stdin.ask(`Permanently delete ${count}? [y/N] `);
      if (!/^y(es)?$/i.test(answer.trim())) {
        context.stderr.write("Nothing was deleted.\n");
        return ExitCode.ok;
      }
    }
    const answer = await ask(api, inboxPath(query), { method: "DELETE" });
    if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
    else context.stderr.write(`Deleted ${plural(deletedAnswer.parse(answer).deleted, "message")}.\n`);
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

/** Options of the command line have hyphens where parameters of the API have underscores. */
function queryOf(given: GivenArguments, ranges: readonly string[]): URLSearchParams {
  const names = [...filterOptions.map(({ name }) => name), ...ranges];
  return new URLSearchParams(
    names.flatMap((name) => {
      const value = given.text(name);
      return value === undefined ? [] : [[name.replace("-", "_"), value]];
    }),
  );
}

function inboxPath(query: URLSearchParams): string {
  return query.size === 0 ? "/api/v1/inbox" : `/api/v1/inbox?${query.toString()}`;
}

async function newest(api: ServerApi): Promise<string> {
  const [first] = capturedPage.parse(await ask(api, "/api/v1/inbox?limit=1")).messages;
  if (!first) throw new CliError(ExitCode.data, "the inbox is empty");
  return first.id;
}

function listing(messages: readonly CapturedListing[], { clock, stdout, environment }: CliContext): string {
  const now = clock.now();
  const rows = messages.map(({ id, from, to, subject, received_at: receivedAt, size, junk }) => [
    id,
    relativeTime(receivedAt, now),
    sizeText(size),
    printable(from === "" ? "<>" : from),
    printable(to.join(", ")),
    `${junk === true ? "(junk) " : ""}${printable(subject)}`,
  ]);
  return textTable([["ID", "RECEIVED", "SIZE", "FROM", "TO", "SUBJECT"], ...rows], {
    columns: tableColumns(stdout),
    right: [2],
    style: styleFor(stdout, environment),
  });
}

/** What came instead is what a person looks at next. */
function reportInVain(answer: unknown, context: CliContext): ExitCode {
  const { error, arrived } = vainWait.parse(answer);
  context.stderr.write(`posthaste: ${printable(error)}\n${arrived.length > 0 ? listing(arrived, context) : ""}`);
  return ExitCode.tryLater;
}

function printMessages(answer: unknown, given: GivenArguments, context: CliContext): ExitCode {
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const several = capturedMessages.safeParse(answer);
  const messages = several.success ? several.data.messages : [capturedMessage.parse(answer)];
  context.stdout.write(messages.map((message) => messageText(message, context)).join("\n"));
  return ExitCode.ok;
}

function messageText(message: CapturedMessage, context: CliContext): string {
  const style = styleFor(context.stdout, context.environment);
  const lines = [
    `${style.dim("Id:")}      ${message.id}`,
    `${style.dim("From:")}    ${printable(message.from === "" ? "<>" : message.from)}`,
    `${style.dim("To:")}      ${printable(message.to.join(", "))}`,
    ...namedLine("Author:", message.header_from),
    ...namedLine("Cc:", message.cc),
    `${style.dim("Subject:")} ${style.bold(printable(message.subject))}`,
    "",
    printableLines(textToShow(message).trimEnd()),
    "",
  ];
  if (message.codes.length > 0)
    lines.push(`${style.dim("Codes:")} ${message.codes.map((code) => printable(code)).join(", ")}`);
  if (message.links.length > 0) lines.push(style.dim("Links:"), ...message.links.map((link) => `  ${printable(link)}`));
  if (message.attachments.length > 0) lines.push(style.dim("Attachments:"));
  for (const { index, filename, type, size } of message.attachments) {
    lines.push(
      `  ${index}  ${printable(filename === "" ? "(no name)" : filename)}  ${printable(type)}  ${sizeText(size)}`,
    );
  }
  if (message.left_out) lines.push(`${style.dim("Note:")} ${printable(message.left_out)}`);
  return `${lines.join("\n").trimEnd()}\n`;

  /** Only where it says something that the envelope does not. */
  function namedLine(label: string, addresses: CapturedMessage["cc"]): readonly string[] {
    const named = addresses.map(({ name, address }) => printable(name === "" ? address : `${name} <${address}>`));
    const isNews = named.length > 0 && named.join(", ") !== message.from;
    return isNews ? [`${style.dim(label)}${" ".repeat(Math.max(1, 9 - label.length))}${named.join(", ")}`] : [];
  }
}

/** Of a message that has only HTML: what a reader of it sees. */
function textToShow({ text, html }: CapturedMessage): string {
  if (text) return text;
  const seen = html ? readHtml(html).text : "";
  return seen.trim() === "" ? "(no text)" : seen;
}
