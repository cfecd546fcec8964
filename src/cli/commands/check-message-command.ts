/** `posthaste check message`: what would a server make of this message, and why? */
import { resolve } from "node:path";
import { parseIpAddress } from "../../address/ip-address.ts";
import { parseMailbox } from "../../address/mailbox-text.ts";
import { loadSettings } from "../../config/load-settings.ts";
import type { DnsSettings } from "../../config/server-settings.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { senderAuthenticationSettings } from "../../config/settings-views.ts";
import type { HeaderSection } from "../../message/header-section.ts";
import type { SenderEnvelope } from "../../policy/authentication/sender-authentication.ts";
import type { SenderHandling, SenderVerdict } from "../../policy/authentication/sender-verdict.ts";
import {
  authenticationSettings,
  dmarcSettings,
  type SenderAuthenticationSettings,
} from "../../policy/authentication/settings.ts";
import { type ExplainedCheck, explainVerdict } from "../check-message/explain-verdict.ts";
import { judgeMessage, readMessage } from "../check-message/judge-message.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { configOption, findConfig } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { readFileOf } from "../send/send-plan.ts";
import { printable, printableLines } from "../../lib/printable-text.ts";
import { type Style, styleFor } from "../style.ts";

/** More than any server takes; all of it is held in memory. */
const messageBytesMax = 512 * 1024 * 1024;

export const checkMessageCommand: Command = {
  name: "check message",
  summary: "show what the server would do with a message, and why: reverse DNS, SPF, DKIM, ARC, DMARC",
  description:
    "Runs the checks that a server runs on mail from the internet, with the settings of the configuration or the\n" +
    "defaults, and explains each result. It queries only the DNS. Exit code 0: the message would go to the inbox;\n" +
    "65: it would not.",
  options: [
    { name: "ip", value: "ADDRESS", required: true, summary: "IP address of the host that sends the message" },
    { name: "helo", value: "NAME", summary: "name that this host gives in HELO; without it, HELO is not checked" },
    { name: "from", value: "ADDRESS", summary: "reverse-path, <> for none; default: the Return-Path field" },
    configOption,
    jsonOption,
  ],
  positionals: [{ name: "FILE", completes: "file", summary: "the message as it arrived; - is standard input" }],
  examples: [
    {
      line: "posthaste check message bill.eml --ip 192.0.2.1 --helo mail.example.org --from ann@example.org",
      does: "what a server would do with it",
    },
    {
      line: "posthaste check message - --ip 2001:db8::1 --from '<>' --json < bounce.eml",
      does: "a bounce, for a script",
    },
  ],
  run: async (given, context) => {
    const [name = ""] = given.positionals;
    const address = parseIpAddress(given.required("ip"));
    if (address === undefined) throw usageError(`"${given.text("ip") ?? ""}" is not an IP address`);
    const message = readMessage(await readFileOf(name, messageBytesMax, context));
    const envelope = {
      client: { address: address.text, hello: given.text("helo") ?? "" },
      reversePath: reversePathOf(given.text("from"), message.header),
    };
    const { settings, dns, notes } = await settingsFor(given, context, address.text);
    const parts = { resolver: context.resolver(dns), clock: context.clock };
    const verdict = await judgeMessage(message, envelope, settings, parts);
    const told = [...message.notes, ...notes, ...forgedNote(verdict.forgedResults)];
    const checks = explainVerdict(verdict);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(asJson(verdict, checks, told))}\n`);
    } else {
      for (const note of told) context.stderr.write(`${note}\n`);
      context.stdout.write(asText({ envelope, verdict, checks, header: message.header }, context));
    }
    return outcomeOf(verdict) === "inbox" ? ExitCode.ok : ExitCode.data;
  },
};

function reversePathOf(text: string | undefined, header: HeaderSection): SenderEnvelope["reversePath"] {
  const given = text ?? header.first("return-path")?.value;
  if (given === undefined) throw usageError("--from is required: the message has no Return-Path field");
  const bare = given.trim().replace(/^<(.*)>$/, "$1");
  if (bare === "") return null;
  const mailbox = parseMailbox(bare);
  if (mailbox === undefined) throw usageError(`"${printable(bare)}" is not an address`);
  return mailbox;
}

async function settingsFor(
  given: GivenArguments,
  context: CliContext,
  address: string,
): Promise<{
  readonly settings: SenderAuthenticationSettings;
  readonly dns?: DnsSettings;
  readonly notes: readonly string[];
}> {
  const config = given.text("config");
  const file = config === undefined ? await findConfig(context) : resolve(context.workingDirectory, config);
  if (file === undefined) {
    const settings = {
      hostname: "localhost",
      authentication: authenticationSettings.parse({}),
      dmarc: dmarcSettings.parse({}),
    };
    return { settings, notes: ["There is no configuration here; the default settings apply."] };
  }
  const { settings } = await loadSettings(file, context);
  return {
    settings: senderAuthenticationSettings(settings),
    dns: settings.dns,
    notes: exemptions(settings, address),
  };
}

/** Why a server with this configuration would not even look. */
function exemptions({ authentication, relay }: Settings, address: string): readonly string[] {
  const notes: string[] = [];
  if (!authentication.check) notes.push("authentication.check is off: a server would check nothing.");
  if (relay.networks.contains(address))
    notes.push(`${address} is in relay.networks: a server would not check its mail.`);
  return notes;
}

function forgedNote(count: number): readonly string[] {
  if (count === 0) return [];
  const fields = count === 1 ? "An Authentication-Results field bears" : `${count} Authentication-Results fields bear`;
  return [`${fields} this server's name. The server removes such fields on arrival, since they may be forged.`];
}

type Outcome = "inbox" | "junk" | "refused" | "deferred";

function outcomeOf({ disposition, decision }: SenderHandling): Outcome {
  if (decision !== undefined) return decision.verdict === "reject" ? "refused" : "deferred";
  return disposition === "junk" ? "junk" : "inbox";
}

function replyText({ decision }: SenderHandling): string | undefined {
  if (decision === undefined) return undefined;
  const { code, status, lines } = decision.reply;
  return [String(code), ...(status === undefined ? [] : [status]), lines.join(" ")].join(" ");
}

function asJson(verdict: SenderVerdict, checks: readonly ExplainedCheck[], notes: readonly string[]): object {
  return {
    outcome: outcomeOf(verdict),
    why: verdict.why,
    setting: verdict.setting ?? null,
    reply: replyText(verdict) ?? null,
    checks: checks.map(({ check, result, sentences, facts }) => ({
      check,
      result,
      ...facts,
      explanation: sentences.join(" "),
    })),
    authentication_results: verdict.field,
    received_spf: verdict.receivedSpf ?? null,
    notes,
  };
}

interface Findings {
  readonly envelope: SenderEnvelope;
  readonly verdict: SenderVerdict;
  readonly checks: readonly ExplainedCheck[];
  readonly header: HeaderSection;
}

/** Lines longer than this are hard to read, however wide the terminal is. */
const columnsMax = 110;
const titleWidth = "SPF, MAIL FROM".length + 2;
const resultWidth = "permerror".length + 2;

function asText({ envelope, verdict, checks, header }: Findings, { stdout, environment }: CliContext): string {
  const style = styleFor(stdout, environment);
  const columns = Math.min(stdout.columns, columnsMax);
  const { client, reversePath } = envelope;
  const path = reversePath === null ? "<>" : `<${reversePath.localPart}@${reversePath.domain}>`;
  const hello = client.hello === "" ? "" : ` (HELO ${client.hello})`;
  let text = `From ${printable(header.first("from")?.value ?? "nobody")}\n`;
  text += `by ${client.address}${printable(hello)} with the reverse-path ${printable(path)}\n\n`;
  for (const { title, result, sentences } of checks) {
    const start = title.padEnd(titleWidth) + paintResult(result, style)(result.padEnd(resultWidth));
    const [first = "", ...rest] = wrapped(printable(sentences.join(" ")), columns - titleWidth - resultWidth);
    text += `${start}${first}\n`;
    for (const line of rest) text += `${" ".repeat(titleWidth + resultWidth)}${line}\n`;
  }
  text += `\n${wrapped(printable(verdictSentence(verdict)), columns).join("\n")}\n`;
  const fields = verdict.field + (verdict.receivedSpf ?? "");
  return `${text}\nOn top of the message a server would write:\n\n${style.dim(printableLines(fields.trimEnd()))}\n`;
}

function verdictSentence(verdict: SenderVerdict): string {
  const by = verdict.setting === undefined ? "" : ` (${verdict.setting})`;
  const why = `${verdict.why}${by}.`;
  const outcome = outcomeOf(verdict);
  switch (outcome) {
    case "inbox":
      return `The message would be delivered to the inbox: ${why}`;
    case "junk":
      return `The message would be delivered to Junk: ${why}`;
    case "refused":
      return `The message would be refused with "${replyText(verdict) ?? ""}": ${why}`;
    case "deferred":
      return `The message would be deferred with "${replyText(verdict) ?? ""}": ${why}`;
    default:
      return outcome satisfies never;
  }
}

function paintResult(result: string, style: Style): (text: string) => string {
  if (result === "pass") return style.green;
  return result === "fail" || result === "permerror" ? style.red : result === "none" ? style.dim : style.yellow;
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
