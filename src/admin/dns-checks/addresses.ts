/**
 * The addresses of a domain's hosts: reachable from everywhere, and with a name that leads back. Those that mail is sent
 * from must have one; large receivers refuse others. Those that only receive should.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import { checkReverseDns } from "../../policy/authentication/reverse-dns.ts";
import { parseClient, reverseName } from "../../spf/client-address.ts";
import { Findings, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import type { MailHost } from "./mx.ts";

/** Each takes up to eleven queries. */
const addressesMax = 20;

export async function checkAddresses(subject: DnsSubject, hosts: readonly MailHost[]): Promise<DnsCheck> {
  const findings = new Findings();
  const sending = new Set(subject.addresses.map(normalOf));
  const hostOf = new Map<string, string>();
  for (const { name, addresses } of hosts) {
    for (const address of addresses) {
      findings.found(name, address.includes(":") ? "AAAA" : "A", address);
      if (!hostOf.has(normalOf(address))) hostOf.set(normalOf(address), name);
    }
  }
  const all = [...new Set([...sending, ...hostOf.keys()])];
  for (const address of all.slice(0, addressesMax)) {
    await checkAddress(subject, address, { sends: sending.has(address), host: hostOf.get(address) }, findings);
  }
  if (all.length > addressesMax)
    findings.yellow(`Only the first ${addressesMax} of ${all.length} addresses were checked`);
  if (all.length === 0) findings.yellow("No address is known; name those that mail is sent from with --address");
  return findings.result("addresses");
}

async function checkAddress(
  { resolver, domain }: DnsSubject,
  address: string,
  role: { readonly sends: boolean; readonly host: string | undefined },
  findings: Findings,
): Promise<void> {
  const parsed = parseIpAddress(address);
  const client = parseClient(address);
  if (parsed === undefined || client === undefined) {
    findings.red(`"${address}" is not an IP address`);
    return;
  }
  if (isLoopback(parsed) || isPrivate(parsed)) {
    findings.red(`${address}${role.host === undefined ? "" : ` of ${role.host}`} cannot be reached from the internet`);
    return;
  }
  const outcome = await checkReverseDns(address, { resolver });
  const severity = role.sends ? "red" : "yellow";
  switch (outcome.result) {
    case "pass":
      findings.green(outcome.detail);
      break;
    case "permerror":
    case "fail": {
      const why = role.sends
        ? "; large receivers refuse mail from it"
        : "; if it also sends, large receivers refuse its mail";
      findings.add(severity, `${outcome.detail}${why}`);
      findings.publish(reverseName(client), "PTR", role.host ?? `mail.${domain}`);
      break;
    }
    case "temperror":
      findings.add(severity, outcome.detail);
      break;
    default:
      outcome.result satisfies never;
  }
}

function normalOf(address: string): string {
  return parseIpAddress(address)?.text ?? address;
}
