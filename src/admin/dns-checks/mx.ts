/** MX records: is there a host, can it be reached by name, and is every record of a form that senders accept. */
import { parseIpAddress } from "../../address/ip-address.ts";
import type { MxRecord, Resolver } from "../../ports/resolver.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";

/** Hosts looked at; no domain needs more. */
const hostsMax = 20;

export interface MailHost {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface MxCheck {
  readonly result: DnsCheck;
  /** Hosts that other checks look at: each once, with the addresses it has. */
  readonly hosts: readonly MailHost[];
  /** The domain says that it takes no mail (RFC 7505). */
  readonly isNull: boolean;
  /** The answer about the hosts was signed (RFC 4035 §3.2.3). */
  readonly secure: boolean;
}

export async function checkMx({ domain, resolver }: DnsSubject): Promise<MxCheck> {
  const findings = new Findings();
  const answer = await resolver.query(domain, "MX");
  switch (answer.kind) {
    case "failure":
      findings.red(unanswered(domain, "MX", answer.reason));
      return { result: findings.result("mx"), hosts: [], isNull: false, secure: false };
    case "no-name":
      findings.red(`${domain} does not exist in the DNS`);
      return { result: findings.result("mx"), hosts: [], isNull: false, secure: answer.secure };
    case "no-data": {
      const hosts = await checkWithoutMx(domain, resolver, findings);
      return { result: findings.result("mx"), hosts, isNull: false, secure: answer.secure };
    }
    case "records":
      break;
    default:
      return answer satisfies never;
  }
  const records = answer.records.toSorted((a, b) => a.preference - b.preference);
  findings.found(domain, "MX", ...records.map(({ preference, exchange }) => `${preference} ${exchange || "."}`));
  const named = records.filter(({ exchange }) => exchange !== "");
  const isNull = named.length < records.length;
  if (isNull) {
    if (named.length > 0) findings.red(`${domain} has a null MX beside others; remove one or the other (RFC 7505 §3)`);
    else findings.green(`${domain} says that it takes no mail (null MX)`);
  }
  const hosts = await checkHosts(domain, named, resolver, findings);
  return { result: findings.result("mx"), hosts, isNull: isNull && named.length === 0, secure: answer.secure };
}

/** RFC 5321 §5.1: without MX records the domain is its own host. */
async function checkWithoutMx(domain: string, resolver: Resolver, findings: Findings): Promise<MailHost[]> {
  const addresses = await addressesOf(resolver, domain);
  if (addresses.length === 0) {
    findings.red(`${domain} has neither MX records nor an address, so it gets no mail`);
    findings.publish(domain, "MX", `10 mail.${domain}`);
    return [];
  }
  findings.yellow(`${domain} has no MX record; senders fall back to its own address, which is rarely intended`);
  findings.publish(domain, "MX", `10 ${domain}`);
  return [{ name: domain, addresses }];
}

async function checkHosts(
  domain: string,
  records: readonly MxRecord[],
  resolver: Resolver,
  findings: Findings,
): Promise<MailHost[]> {
  const names = [...new Set(records.map(({ exchange }) => exchange))];
  if (names.length < records.length) findings.yellow("One host is named in several MX records; one is enough");
  const hosts: MailHost[] = [];
  for (const name of names.slice(0, hostsMax)) {
    const wrong = wrongForm(domain, name);
    if (wrong !== undefined) {
      findings.red(wrong.sentence);
      const preference = records.find(({ exchange }) => exchange === name)?.preference ?? 10;
      if (wrong.right !== undefined) findings.publish(domain, "MX", `${preference} ${wrong.right}`);
      continue;
    }
    const [addresses, alias] = await Promise.all([addressesOf(resolver, name), resolver.query(name, "CNAME")]);
    if (alias.kind === "records") {
      findings.yellow(
        `${name} is an alias (CNAME), which an MX record must not name (RFC 5321 §5.1); some senders refuse`,
      );
    }
    if (addresses.length === 0) findings.red(`The mail host ${name} has no address`);
    else findings.green(`${name} takes mail for ${domain}`);
    hosts.push({ name, addresses });
  }
  if (names.length > hostsMax) findings.yellow(`Only the first ${hostsMax} of ${names.length} mail hosts were checked`);
  return hosts;
}

function wrongForm(domain: string, name: string): { sentence: string; right?: string } | undefined {
  if (parseIpAddress(name) !== undefined) {
    return { sentence: `An MX record names the address ${name}; it must name a host`, right: `mail.${domain}` };
  }
  if (name.endsWith(`.${domain}.${domain}`) || name === `${domain}.${domain}`) {
    const right = name.slice(0, -domain.length - 1);
    return {
      sentence: `An MX record names ${name}: the zone editor added ${domain} once more; end the host with a dot`,
      right,
    };
  }
  if (!name.includes(".")) {
    return { sentence: `An MX record names "${name}", which is no whole name`, right: `${name}.${domain}` };
  }
  return undefined;
}

/** IPv4 and IPv6; empty also where the DNS does not answer. */
async function addressesOf(resolver: Resolver, name: string): Promise<string[]> {
  const answers = await Promise.all([resolver.query(name, "A"), resolver.query(name, "AAAA")]);
  return answers.flatMap((answer) => (answer.kind === "records" ? answer.records : []));
}
