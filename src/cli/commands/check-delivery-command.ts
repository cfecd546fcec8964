/** `posthaste check delivery ADDRESS`: what would become of a message to this address, and why? */
import { resolve } from "node:path";
import { formatMailbox, parseMailbox } from "../../address/mailbox-text.ts";
import type { Mailbox } from "../../address/mailbox.ts";
import { loadSettings } from "../../config/load-settings.ts";
import type { DnsSettings } from "../../config/server-settings.ts";
import { publishedPolicySettings, routerSettings } from "../../config/settings-views.ts";
import type { DeliveryOutcome } from "../../events/delivery-outcome.ts";
import { printable } from "../../lib/printable-text.ts";
import { duration } from "../../lib/setting-types.ts";
import { sentence } from "../../lib/sentence.ts";
import { probeDelivery } from "../../outbound/delivery-probe.ts";
import { outboundSettings, type SmtpDeliverySettings, smtpDeliverySettings } from "../../outbound/settings.ts";
import type { Log } from "../../ports/log.ts";
import { queueSettings } from "../../queue/settings.ts";
import type { RouteResult } from "../../route/router.ts";
import { type DeliveryStep, DeliveryScreen, type DeliveryVerdict } from "../check-delivery/delivery-report.ts";
import { findRoute, type HostPolicies, type RouteSettings } from "../check-delivery/find-route.ts";
import { recordingFetcher, recordingResolver } from "../check-delivery/recorded-look-ups.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { configOption, findConfig } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor } from "../style.ts";

const defaultTimeoutMs = 30_000;

export const checkDeliveryCommand: Command = {
  name: "check delivery",
  summary: "probe the way to a recipient step by step, without sending a message, and show what would happen to it",
  description:
    "Finds the route as the server does, with MX, MTA-STS and DANE, connects to the hosts in their order, and goes as far as\n" +
    "RCPT: no content is sent. Each step has its time. Exit code 0: a message would be accepted; 65: it would bounce;\n" +
    "75: it would wait.",
  options: [
    {
      name: "from",
      short: "f",
      value: "ADDRESS",
      summary: "reverse-path, <> for none; default: postmaster of this server",
    },
    { name: "helo", value: "NAME", summary: "name to send in EHLO; default: the server's host name" },
    { name: "timeout", value: "TIME", summary: "time to wait for each step; default 30s (a server waits for minutes)" },
    configOption,
    jsonOption,
  ],
  positionals: [{ name: "ADDRESS", summary: "the recipient" }],
  examples: [
    { line: "posthaste check delivery ann@example.org", does: "would this server's mail reach her, and by which TLS?" },
    { line: "posthaste check delivery ann@example.org --from bob@example.com --json", does: "for scripts" },
  ],
  run: async (given, context) => {
    const recipient = mailboxOf(given.positionals[0] ?? "");
    const timeoutMs = timeoutOf(given.text("timeout"));
    const settings = await settingsFor(given, context);
    const from = reversePathOf(given.text("from"), settings.hostname);
    const asJson = given.flag("json");
    if (settings.hostname === undefined && !asJson)
      context.stderr.write("There is no configuration here; the default settings apply.\n");
    const screen = new DeliveryScreen(context.stdout, styleFor(context.stdout, context.environment));
    const steps: DeliveryStep[] = [];
    const tell = (step: DeliveryStep): void => {
      steps.push({ ...step, ms: Math.round(step.ms * 10) / 10 } as DeliveryStep);
      if (!asJson) screen.step(step);
    };
    const outbound = { ...impatient(settings.outbound, timeoutMs), ...heloOf(given) };
    const verdict = await probe({ recipient, from, settings: { ...settings, outbound } }, tell, context);
    if (context.interrupted.aborted) return ExitCode.interrupted;
    if (asJson) {
      const shown = {
        address: formatMailbox(recipient),
        from,
        ...verdict,
        sentence: sentence(verdict.sentence),
        steps,
      };
      context.stdout.write(`${JSON.stringify(shown)}\n`);
    } else screen.verdict(verdict);
    return exitCodes[verdict.result];
  },
};

const exitCodes = {
  accepted: ExitCode.ok,
  local: ExitCode.ok,
  deferred: ExitCode.tryLater,
  bounced: ExitCode.data,
} as const satisfies Readonly<Record<DeliveryVerdict["result"], number>>;

interface Probe {
  readonly recipient: Mailbox;
  readonly from: string;
  readonly settings: ProbeSettings;
}

async function probe(
  { recipient, from, settings }: Probe,
  tell: (step: DeliveryStep) => void,
  context: CliContext,
): Promise<DeliveryVerdict> {
  const { clock, random, network, interrupted: signal } = context;
  const log = policyLog(tell);
  const resolver = recordingResolver(context.resolver(settings.dns), clock, tell);
  const fetcher = recordingFetcher(context.policyFetcher(resolver), clock, tell);
  const address = formatMailbox(recipient);
  const route = await findRoute({ address, domain: recipient.domainKey }, settings, {
    resolver,
    fetcher,
    clock,
    random,
    log,
  });
  for (const { host, sentences } of route.hosts) {
    for (const text of sentences) tell({ step: "policy", status: "ok", host, ms: 0, text });
  }
  const whole = `A message from ${from === "" ? "<>" : from} to ${address}`;
  const { result } = route;
  if (result.kind !== "hop") return setbackVerdict(whole, result);
  const { hop } = result;
  if (hop.kind !== "smtp" && hop.kind !== "lmtp") {
    return { result: "local", status: null, sentence: `${whole} would stay on this server: ${hop.description}` };
  }
  const envelope = { reversePath: from, recipient: address, domain: recipient.domainKey };
  const parts = { network, clock, random, log, settings: settings.outbound, signal };
  const outcome = await probeDelivery(hop, envelope, parts, { alsoTry: othersOf(route.hosts), tell });
  return outcomeVerdict(whole, outcome);
}

function othersOf(hosts: readonly HostPolicies[]) {
  return (name: string) => hosts.find(({ host }) => host === name)?.others ?? [];
}

function setbackVerdict(
  whole: string,
  { kind, status, reason }: Exclude<RouteResult, { kind: "hop" }>,
): DeliveryVerdict {
  const would = kind === "bounced" ? "would be returned to its sender at once" : "would wait and be tried again";
  return { result: kind, status, sentence: `${whole} ${would} (${status}): ${reason}` };
}

function outcomeVerdict(whole: string, outcome: DeliveryOutcome): DeliveryVerdict {
  if (outcome.kind === "deferred" || outcome.kind === "bounced") return setbackVerdict(whole, outcome);
  const { status, diagnostic } = outcome;
  const { remoteHost = "the server", tls, tlsDemand } = diagnostic;
  const how =
    tls === undefined ? "without TLS" : `over ${tls}${tlsDemand === undefined ? "" : ` as ${tlsDemand} demands`}`;
  const accepted = `would be accepted by ${remoteHost} ${how}, unless its content is refused`;
  return { result: "accepted", status, sentence: `${whole} ${accepted}: RCPT was answered ${diagnostic.text}` };
}

/** What the server would log about policies, as steps. */
function policyLog(tell: (step: DeliveryStep) => void): Log {
  const told = (status: "failed" | "note", text: string, host?: string): void =>
    tell({ step: "policy", status, ms: 0, text, ...(host !== undefined && { host }) });
  const log: Log = {
    event: (name, given) => {
      const fields = given as Readonly<Record<string, unknown>>;
      if (name === "mta-sts-policy-failed") told("failed", `mta-sts: ${String(fields["reason"])}`);
      if (name === "mail-host-excluded")
        told("failed", `${String(fields["rule"])}: ${String(fields["reason"])}`, String(fields["host"]));
      if (name === "dane-inactive")
        told("note", "dane: the DNS servers do not validate DNSSEC, so it applies to no host");
      if (name === "tls-fell-back")
        told("note", "TLS failed, and the server would go on in clear", String(fields["host"]));
    },
    with: () => log,
  };
  return log;
}

function mailboxOf(text: string): Mailbox {
  const mailbox = parseMailbox(text);
  if (mailbox === undefined || mailbox.domain === "") throw usageError(`"${printable(text)}" is not an address`);
  return mailbox;
}

function reversePathOf(text: string | undefined, hostname: string | undefined): string {
  // Without a configuration there is no name of which it would be true.
  if (text === undefined) return hostname === undefined ? "" : `postmaster@${hostname}`;
  const bare = text.trim().replace(/^<(.*)>$/, "$1");
  return bare === "" ? "" : formatMailbox(mailboxOf(bare));
}

/** What the command needs of a configuration. */
interface ProbeSettings extends RouteSettings {
  /** Absent: there is no configuration. */
  readonly hostname: string | undefined;
  readonly dns: Partial<DnsSettings>;
  readonly outbound: SmtpDeliverySettings;
}

async function settingsFor(given: GivenArguments, context: CliContext): Promise<ProbeSettings> {
  const { interfaceAddresses } = context;
  const config = given.text("config");
  const file = config === undefined ? await findConfig(context) : resolve(context.workingDirectory, config);
  if (file === undefined) return defaultSettings(context);
  const { settings } = await loadSettings(file, context);
  const { hostname, dns, outbound, queue } = settings;
  return {
    ...{ hostname, dns },
    router: routerSettings(settings, { interfaceAddresses, toProgram: false }),
    published: publishedPolicySettings(settings),
    outbound: smtpDeliverySettings(hostname, outbound, queue.warn_after),
  };
}

function defaultSettings({ interfaceAddresses }: CliContext): ProbeSettings {
  const outbound = outboundSettings.parse({});
  const { port, dane, mta_sts: mtaSts, allow_private: allowPrivate } = outbound;
  const own = { names: [], listeners: [], interfaceAddresses };
  return {
    hostname: undefined,
    dns: {},
    router: { routes: [], isLocalDomain: () => false, maildirPath: "", port, allowPrivate, own },
    published: { dane, mtaSts, allowPrivate },
    outbound: smtpDeliverySettings("localhost", outbound, queueSettings.parse({}).warn_after),
  };
}

function heloOf(given: GivenArguments): Partial<SmtpDeliverySettings> {
  const heloName = given.text("helo");
  if (heloName === undefined) return {};
  if (!/^[\x21-\x7e]{1,255}$/.test(heloName)) throw usageError(`"${printable(heloName)}" is not a name for EHLO`);
  return { heloName };
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return defaultTimeoutMs;
  const parsed = duration({ minMs: 1, maxMs: 3_600_000 }).safeParse(text);
  if (!parsed.success) throw usageError(`"${printable(text)}" is not a time from 1ms to 1h, such as 30s`);
  return parsed.data;
}

/** Someone waits for the answer. */
function impatient(settings: SmtpDeliverySettings, timeoutMs: number): SmtpDeliverySettings {
  const { timeouts, connectTimeoutMs, tlsTimeoutMs } = settings;
  const shorter = (ms: number): number => Math.min(ms, timeoutMs);
  const { greetingMs, helloMs, startTlsMs, authenticationMs, mailMs, recipientMs } = timeouts;
  return {
    ...settings,
    connectTimeoutMs: shorter(connectTimeoutMs),
    tlsTimeoutMs: shorter(tlsTimeoutMs),
    timeouts: {
      ...timeouts,
      greetingMs: shorter(greetingMs),
      helloMs: shorter(helloMs),
      startTlsMs: shorter(startTlsMs),
      authenticationMs: shorter(authenticationMs),
      mailMs: shorter(mailMs),
      recipientMs: shorter(recipientMs),
    },
  };
}
