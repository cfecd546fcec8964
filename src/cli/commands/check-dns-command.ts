/** `posthaste check dns DOMAIN`: are a domain's records right, and what is to be published? */
import { join } from "node:path";
import { dnsNameKeyOf } from "../../address/domain.ts";
import { parseIpAddress } from "../../address/ip-address.ts";
import { checkDns } from "../../admin/dns-checks/check-dns.ts";
import type { HandshakeProbe, OwnKey } from "../../admin/dns-checks/dns-check.ts";
import { ConfigError } from "../../config/config-problem.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { ownStsPolicy } from "../../config/settings-views.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { probeHandshake } from "../../outbound/handshake-probe.ts";
import { isSelector } from "../../signing/selector.ts";
import { dkimKeys } from "../api-shapes.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext, ServerTarget } from "../context.ts";
import { ask, findConfig, findServer, serverOptions } from "../data-dir.ts";
import { dnsReportJson } from "../dns-report-json.ts";
import { formatDnsReport } from "../dns-report-text.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor } from "../style.ts";

/** A domain whose servers all time out takes so long, in place of one time-out for each of hundreds of questions. */
const patienceMs = 90_000;

export const checkDnsCommand: Command = {
  name: "check dns",
  summary: "check the DNS records of a mail domain, and print what to publish",
  description:
    "Checks MX, addresses and reverse DNS, SPF and the number of its lookups, DKIM, DMARC, MTA-STS with its policy, TLS-RPT, and\n" +
    "DANE with the certificates that the mail hosts show.\n" +
    "Each check is green, yellow or red; the exit code is 65 when one is red. The DKIM keys are those of the server\n" +
    "that the configuration names, those given with --selector, or else the common ones. The DNS servers are those of\n" +
    "the configuration, or else the system's.",
  options: [
    { name: "selector", value: "NAME", multiple: true, summary: "a DKIM selector that must exist" },
    { name: "address", value: "IP", multiple: true, summary: "an IP address that sends mail" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [{ name: "DOMAIN", summary: "the domain of the addresses: the part after the @" }],
  examples: [
    { line: "posthaste check dns example.org", does: "every check, with the records to publish" },
    { line: "posthaste check dns example.org --address 192.0.2.25", does: "may this server send for it?" },
    { line: "posthaste check dns example.org --selector mail --json", does: "for scripts; exit code 65 when red" },
  ],
  run: async (given, context) => {
    const [argument = ""] = given.positionals;
    const domain = dnsNameKeyOf(argument);
    if (domain?.includes(".") !== true) throw usageError(`"${argument}" is not a domain, such as example.org`);
    const selectors = given.texts("selector").map((selector) => asciiLowerCase(selector));
    for (const selector of selectors) {
      if (!isSelector(selector))
        throw usageError(`"${selector}" is not a DKIM selector`, "Give only the part before ._domainkey.");
    }
    const addresses = given.texts("address");
    for (const address of addresses) {
      if (parseIpAddress(address) === undefined) throw usageError(`"${address}" is not an IP address`);
    }
    const { ownKeys, settings } = await serverOf(domain, given, context);
    const signal = AbortSignal.any([context.interrupted, context.clock.timeout(patienceMs)]);
    const resolver = patientResolver(context.resolver(settings?.dns), signal);
    const reportAddress = settings?.reports.address;
    const policyFetcher = context.policyFetcher(resolver);
    const ownSts = settings && isOwnDomain(domain, settings) ? ownStsPolicy(settings) : undefined;
    const own = { ownKeys, ...(reportAddress && { reportAddress }), ...(ownSts && { ownStsPolicy: ownSts }) };
    const { network, clock, random } = context;
    const parts = { network, clock, random, heloName: settings?.hostname ?? "localhost", signal };
    const handshake: HandshakeProbe = (host, address, demand) => probeHandshake(host, address, demand, parts);
    const subject = { domain, resolver, policyFetcher, handshake, signal, selectors, addresses, ...own };
    const report = await checkDns(subject, context.clock.now());
    if (context.interrupted.aborted) return ExitCode.interrupted;
    context.stdout.write(
      given.flag("json")
        ? dnsReportJson(report)
        : formatDnsReport(report, styleFor(context.stdout, context.environment)),
    );
    return report.status === "red" ? ExitCode.data : ExitCode.ok;
  },
};

function isOwnDomain(domain: string, settings: Settings): boolean {
  return settings.domain.some(({ name }) => dnsNameKeyOf(name) === domain);
}

/** Questions that are open when the signal aborts have no answer. */
function patientResolver(resolver: Resolver, signal: AbortSignal): Resolver {
  return { query: (name, type, options) => resolver.query(name, type, { ...options, signal }) };
}

/** A server that was named must answer; one that merely lies near need not. */
async function serverOf(
  domain: string,
  given: GivenArguments,
  context: CliContext,
): Promise<{ readonly ownKeys: readonly OwnKey[]; readonly settings?: Settings }> {
  const isNamed = given.text("config") !== undefined || given.text("data-dir") !== undefined;
  let target: ServerTarget | undefined;
  try {
    if (!isNamed && (await findConfig(context)) === undefined) return { ownKeys: [] };
    target = await findServer(given, context);
    return { ...target, ownKeys: await keysOf(target, domain, context) };
  } catch (error) {
    const isNew = target?.settings !== undefined && !(await hasSpool(target.dataDir, context));
    if (isNew && error instanceof CliError) {
      context.stderr.write("The server has not been started yet, so it has no DKIM keys.\n");
      return { ...target, ownKeys: [] };
    }
    if (isNamed || !(error instanceof CliError || error instanceof ConfigError)) throw error;
    context.stderr.write(`The server's own DKIM keys were not checked: ${error.message}\n`);
    return { ...target, ownKeys: [] };
  }
}

/** Records are published before the first start; whether there was one is seen by the spool. */
async function hasSpool(dataDir: string, { files }: CliContext): Promise<boolean> {
  return (await files.stat(join(dataDir, "spool.db"))) !== undefined;
}

/** Keys that are to be in the DNS. */
async function keysOf(target: ServerTarget, domain: string, context: CliContext): Promise<readonly OwnKey[]> {
  await using api = await context.serverApi(target);
  const { keys } = dkimKeys.parse(await ask(api, `/api/v1/dkim/keys?domain=${encodeURIComponent(domain)}`));
  return keys
    .filter(({ state, record }) => state !== "retired" && record.name.endsWith(`._domainkey.${domain}`))
    .map(({ record: { name, text } }) => ({ selector: name.slice(0, -`._domainkey.${domain}`.length), record: text }));
}
