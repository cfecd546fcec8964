/** From `--server`, or the recipient's domain, to addresses to connect to, in the order in which they are tried. */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { parseIpAddress } from "../../lib/ip-network.ts";
import type { DnsAnswer } from "../../ports/resolver.ts";
import type { CliContext } from "../context.ts";
import { CliError, ExitCode } from "../exit-code.ts";
import type { SendPlan, SendTarget } from "./send-plan.ts";

/** Trying more is a delivery agent's work; a person wants an answer. */
const targetsMax = 6;

export async function resolveTargets(
  plan: Pick<SendPlan, "server" | "to">,
  context: Pick<CliContext, "resolver">,
): Promise<readonly SendTarget[]> {
  if (plan.server) return await addressesOf(plan.server.host, plan.server.port, context);
  const [first = ""] = plan.to;
  const domain = first.slice(first.lastIndexOf("@") + 1);
  if (domain.startsWith("[")) {
    return await addressesOf(domain.slice(1, -1).replace(/^IPv6:/i, ""), 25, context);
  }
  const answer = await context.resolver().query(domain, "MX");
  const records = recordsOf(answer, `MX records of ${domain}`).toSorted((a, b) => a.preference - b.preference);
  if (records.some(({ exchange }) => exchange === "")) {
    throw new CliError(ExitCode.data, `${domain} does not accept mail (null MX, RFC 7505)`);
  }
  const hosts = records.length === 0 ? [domain] : records.map(({ exchange }) => exchange);
  const targets: SendTarget[] = [];
  for (const host of hosts) {
    if (targets.length >= targetsMax) break;
    targets.push(...(await addressesOf(host, 25, context).catch(() => [])));
  }
  if (targets.length === 0) throw new CliError(ExitCode.unavailable, `no host of ${domain} has an address`);
  return targets.slice(0, targetsMax);
}

async function addressesOf(
  host: string,
  port: number,
  context: Pick<CliContext, "resolver">,
): Promise<readonly SendTarget[]> {
  const target = (address: string): SendTarget => ({ endpoint: { kind: "ip", address, port }, name: host });
  if (parseIpAddress(host)) return [target(host)];
  // RFC 6761 §6.3: never asked for.
  if (asciiLowerCase(host) === "localhost") return [target("127.0.0.1"), target("::1")];
  const resolver = context.resolver();
  const [ipv6, ipv4] = await Promise.all([resolver.query(host, "AAAA"), resolver.query(host, "A")]);
  const found = [...recordsUnlessFailed(ipv4), ...recordsUnlessFailed(ipv6)];
  if (found.length > 0) return found.map(target);
  const addresses = [...recordsOf(ipv4, `addresses of ${host}`), ...recordsOf(ipv6, `addresses of ${host}`)];
  if (addresses.length > 0) return addresses.map(target);
  throw new CliError(ExitCode.unavailable, `${host} has no address`);
}

function recordsUnlessFailed<T extends "A" | "AAAA">(answer: DnsAnswer<T>) {
  return answer.kind === "records" ? answer.records : [];
}

function recordsOf<T extends "A" | "AAAA" | "MX">(answer: DnsAnswer<T>, what: string) {
  switch (answer.kind) {
    case "records":
      return answer.records;
    case "no-data":
    case "no-name":
      return [];
    case "failure":
      throw new CliError(ExitCode.tryLater, `the ${what} could not be looked up: ${answer.reason}`);
    default:
      return answer satisfies never;
  }
}
