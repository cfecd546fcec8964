/** One message, with everything shown: the dialogue and its timings, the TLS facts, what became of each recipient. */
import type { TlsFacts } from "../../ports/network.ts";
import type { RecipientResult } from "../../smtp/client/recipient-results.ts";
import { replyText } from "../../smtp/reply-reader.ts";
import type { CliContext } from "../context.ts";
import { ExitCode } from "../exit-code.ts";
import { printable } from "../../lib/printable-text.ts";
import { type Style, styleFor } from "../style.ts";
import { sizeText } from "../words.ts";
import { withCertificateWords } from "../../lib/certificate-words.ts";
import type { OutgoingContent } from "./outgoing-content.ts";
import type { SendPlan, SendTarget } from "./send-plan.ts";
import {
  exitCodeOf,
  type OpenedSession,
  openSendSession,
  placeOf,
  type SendTrouble,
  troubleOf,
} from "./send-session.ts";

interface DialogueEntry {
  readonly direction: "in" | "out";
  readonly text: string;
  /** Since the connection was asked for. */
  readonly at_ms: number;
}

interface RecipientReport {
  readonly address: string;
  readonly accepted: boolean;
  readonly code: number | null;
  readonly reply: string;
}

interface TlsReport {
  readonly protocol: string;
  readonly cipher: string;
  readonly resumed: boolean;
  readonly verified: boolean;
  readonly verify_error: string | null;
  readonly certificate: {
    readonly subject: string;
    readonly issuer: string;
    readonly valid_to: string;
    readonly fingerprint: string;
  } | null;
}

interface SendReport {
  server: string;
  tls: TlsReport | null;
  readonly dialogue: DialogueEntry[];
  readonly remarks: string[];
  recipients: readonly RecipientReport[];
  bytes: number;
  ms: number;
  error: string | null;
  exit_code: ExitCode;
}

export async function sendOnce(
  options: { readonly plan: SendPlan; readonly targets: readonly SendTarget[]; readonly content: OutgoingContent },
  output: { readonly json: boolean; readonly quiet: boolean },
  context: CliContext,
): Promise<ExitCode> {
  const { plan, content } = options;
  const screen = new DialogueScreen(context, !output.json && !output.quiet);
  const report: SendReport = {
    server: "",
    tls: null,
    dialogue: [],
    remarks: [],
    recipients: [],
    bytes: content.bytes.length,
    ms: 0,
    error: null,
    exit_code: ExitCode.ok,
  };
  const started = context.clock.monotonicMs();
  const opened = await openFirst(options, report, screen, context);
  let trouble: SendTrouble | undefined;
  if (opened.kind === "trouble") {
    trouble = opened.trouble;
  } else {
    await using session = opened.session;
    const results = await session.send(content);
    report.recipients = results.map((result, index) => recipientReport(plan.to[index] ?? "", result));
    report.exit_code = worst(results.map(resultExitCode));
    if (session.usable) await session.quit();
  }
  report.ms = Math.round(context.clock.monotonicMs() - started);
  if (trouble) {
    report.error = trouble.message;
    report.exit_code = trouble.exitCode;
  }
  if (output.json) context.stdout.write(`${JSON.stringify(report)}\n`);
  else screen.summary(report, trouble);
  return report.exit_code;
}

/** Goes on to the next address only while nobody answers. */
async function openFirst(
  { plan, targets }: { readonly plan: SendPlan; readonly targets: readonly SendTarget[] },
  report: SendReport,
  screen: DialogueScreen,
  context: CliContext,
): Promise<OpenedSession> {
  let last: OpenedSession = { kind: "trouble", trouble: { exitCode: ExitCode.unavailable, message: "no address" } };
  const started = context.clock.monotonicMs();
  for (const target of targets) {
    screen.connecting(target);
    report.server = placeOf(target.endpoint);
    let connected = false;
    last = await openSendSession(target, plan, context, {
      dialogue: ({ direction, text }) => {
        const entry = { direction, text, at_ms: Math.round((context.clock.monotonicMs() - started) * 10) / 10 };
        report.dialogue.push(entry);
        screen.line(entry);
      },
      connected: () => {
        connected = true;
        screen.connected();
      },
      tls: (facts) => {
        report.tls = tlsReport(facts);
        screen.tls(facts);
      },
    });
    if (last.kind === "open" || connected) return last;
    if (targets.length === 1) return last;
    report.remarks.push(last.trouble.message);
    screen.remark(last.trouble.message);
  }
  return last;
}

function tlsReport({ protocol, cipher, resumed, verified, verifyError, peerCertificate }: TlsFacts): TlsReport {
  const certificate = peerCertificate && {
    subject: peerCertificate.subject,
    issuer: peerCertificate.issuer,
    valid_to: peerCertificate.validTo,
    fingerprint: peerCertificate.fingerprint256,
  };
  return { protocol, cipher, resumed, verified, verify_error: verifyError ?? null, certificate: certificate ?? null };
}

function recipientReport(address: string, result: RecipientResult): RecipientReport {
  if (result.kind === "broken") {
    const sent = result.contentSent ? "; the whole message had been sent, so it may have arrived" : "";
    return { address, accepted: false, code: null, reply: `${troubleOf(result.failure).message}${sent}` };
  }
  return { address, accepted: result.kind === "accepted", code: result.reply.code, reply: replyText(result.reply) };
}

export function resultExitCode(result: RecipientResult): ExitCode {
  switch (result.kind) {
    case "accepted":
      return ExitCode.ok;
    case "refused":
    case "too-many":
      return exitCodeOf(result.reply);
    case "broken":
      return troubleOf(result.failure).exitCode;
    default:
      return result satisfies never;
  }
}

/** A permanent refusal before a temporary one: trying again would not help all of them. */
export function worst(codes: readonly ExitCode[]): ExitCode {
  const order = [ExitCode.noPermission, ExitCode.data, ExitCode.unavailable, ExitCode.tryLater];
  return order.find((code) => codes.includes(code)) ?? ExitCode.ok;
}

/** The dialogue as it happens: what we say, what the server says, and how long it took. */
class DialogueScreen {
  readonly #context: CliContext;
  readonly #style: Style;
  readonly #shown: boolean;
  #askedAt = 0;
  #spoken = false;

  constructor(context: CliContext, shown: boolean) {
    this.#context = context;
    this.#style = styleFor(context.stdout, context.environment);
    this.#shown = shown;
  }

  connecting({ endpoint, name }: SendTarget): void {
    const place = placeOf(endpoint);
    const named = place.startsWith(name) || place.startsWith(`[${name}`) ? place : `${name} (${place})`;
    this.#write(this.#style.bold(`Connecting to ${named}`));
    this.#askedAt = this.#now();
  }

  connected(): void {
    this.#write(`${this.#style.dim("**")} connected${this.#took()}`);
    this.#askedAt = this.#now();
  }

  line({ direction, text }: DialogueEntry): void {
    this.#spoken = true;
    if (direction === "out") {
      this.#askedAt = this.#now();
      this.#write(`${this.#style.cyan("->")} ${printable(text)}`);
      return;
    }
    const paint = text.startsWith("4")
      ? this.#style.yellow
      : text.startsWith("5")
        ? this.#style.red
        : this.#style.green;
    // Only the last line of a reply is timed.
    this.#write(
      `${paint("<-")} ${paint(text.slice(0, 3))}${printable(text.slice(3))}${text[3] === "-" ? "" : this.#took()}`,
    );
  }

  tls({ protocol, cipher, verified, verifyError, peerCertificate, resumed }: TlsFacts): void {
    const { dim, green, yellow } = this.#style;
    const line = (text: string) => this.#write(`${dim("**")} ${text}`);
    // TLS from the first octet is part of connecting.
    line(`TLS: ${protocol} ${cipher}${resumed ? ", resumed" : ""}${this.#spoken ? this.#took() : ""}`);
    if (peerCertificate) {
      line(`  subject ${printable(peerCertificate.subject)}`);
      line(`  issuer  ${printable(peerCertificate.issuer)}, valid to ${printable(peerCertificate.validTo)}`);
    }
    line(
      verified
        ? `  ${green("verified")}`
        : `  ${yellow("not verified")}: ${printable(withCertificateWords(verifyError ?? "unknown reason"))}`,
    );
    this.#askedAt = this.#now();
  }

  remark(text: string): void {
    this.#write(`${this.#style.yellow("!!")} ${printable(text)}`);
  }

  summary(report: SendReport, trouble: SendTrouble | undefined): void {
    const { stdout } = this.#context;
    const { bold, green, red, yellow } = this.#style;
    if (this.#shown) stdout.write("\n");
    for (const { address, accepted, code, reply } of report.recipients) {
      const paint = accepted ? green : code !== null && code < 500 ? yellow : red;
      const word = accepted ? "accepted" : code !== null && code < 500 ? "not now" : "refused";
      stdout.write(`${paint(word.padEnd(8))}  ${printable(address)}  ${printable(reply)}\n`);
    }
    if (trouble) {
      stdout.write(`${red("failed")}    ${printable(trouble.message)}\n`);
      if (trouble.hint !== undefined) stdout.write(`          ${bold(trouble.hint)}\n`);
      return;
    }
    stdout.write(`${this.#style.dim(`${sizeText(report.bytes)} in ${report.ms} ms`)}\n`);
  }

  #write(line: string): void {
    if (this.#shown) this.#context.stdout.write(`${line}\n`);
  }

  #took(): string {
    const ms = this.#now() - this.#askedAt;
    return this.#style.dim(`   ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);
  }

  #now(): number {
    return this.#context.clock.monotonicMs();
  }
}
