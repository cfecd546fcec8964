/**
 * DANE for SMTP (RFC 7672): TLSA records of the mail hosts, whether they and the way to them are signed, and whether they
 * fit the certificates that the hosts show.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import { formatTlsa, tlsaFaultOf, usableRecords } from "../../dane/tlsa-record.ts";
import type { ProbedHandshake } from "../../outbound/handshake-probe.ts";
import type { DnsAnswer } from "../../ports/resolver.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import type { MailHost, MxCheck } from "./mx.ts";

/** Addresses of one host that are tried; no honest host has more servers behind its name that differ. */
const addressesMax = 4;

/** What was found out about one host. */
interface HostTlsa {
  readonly host: MailHost;
  readonly answer: DnsAnswer<"TLSA">;
  readonly shown: readonly Shown[];
}

/** What a host showed at one of its addresses. */
interface Shown {
  readonly address: string;
  readonly result: ProbedHandshake;
  /** Where it did not fit: the same without TLSA, which tells a wrong certificate from TLS that fails. */
  readonly anyway?: ProbedHandshake;
}

/** All hosts are asked at once, and all their addresses: one that does not answer takes 15 s. */
export async function checkDane(subject: DnsSubject, { hosts, secure }: MxCheck): Promise<DnsCheck> {
  const { domain, handshake } = subject;
  const findings = new Findings();
  if (hosts.length === 0) return findings.green("There is no mail host to check").result("dane");
  const found = await Promise.all(hosts.map((host) => lookAt(host, subject)));
  for (const each of found) tellHost(each, findings);
  const withRecords = found.filter(({ answer }) => answer.kind === "records").length;
  if (withRecords === 0) {
    const signed = secure
      ? "its DNS answers are signed, so they could be added"
      : "its DNS answers are not signed, or not checked by the resolver in use; DNSSEC comes first";
    if (findings.worst !== "red") findings.yellow(`No mail host of ${domain} has TLSA records; ${signed}`);
    return findings.result("dane");
  }
  if (!secure) {
    findings.yellow(
      `The MX answer of ${domain} is not signed, or not checked by the resolver in use, so senders ignore TLSA`,
    );
  }
  if (withRecords < hosts.length)
    findings.yellow(`${hosts.length - withRecords} of ${hosts.length} mail hosts have no TLSA record`);
  if (handshake === undefined) findings.green("The records were not compared with the certificates in use");
  return findings.result("dane");
}

const tlsaNameOf = (host: string): string => `_25._tcp.${host}`;

/** Each address is asked, because a name may stand for several servers. */
async function lookAt(host: MailHost, { domain, resolver, handshake }: DnsSubject): Promise<HostTlsa> {
  const answer = await resolver.query(tlsaNameOf(host.name), "TLSA");
  const records = answer.kind === "records" ? answer.records : [];
  if (handshake === undefined || usableRecords(records).length === 0) return { host, answer, shown: [] };
  const demand = { kind: "dane", records, names: [host.name, domain] } as const;
  const show = async (address: string): Promise<Shown> => {
    const result = await handshake(host.name, address, demand);
    if (result.kind !== "unmet") return { address, result };
    return { address, result, anyway: await handshake(host.name, address, { kind: "required" }) };
  };
  const addresses = host.addresses.filter(isPublic).slice(0, addressesMax);
  return { host, answer, shown: await Promise.all(addresses.map(show)) };
}

/** A name may lead anywhere; what stands in this machine's own network is not tried. */
function isPublic(text: string): boolean {
  const address = parseIpAddress(text);
  return address !== undefined && !isLoopback(address) && !isPrivate(address);
}

function tellHost({ host: { name: host }, answer, shown }: HostTlsa, findings: Findings): void {
  const name = tlsaNameOf(host);
  if (answer.kind === "failure") {
    // RFC 7672 §2.1.1: without an answer a sender cannot know whether it may go on without DANE.
    findings.red(`${unanswered(name, "TLSA", answer.reason)}; senders that use DANE defer mail`);
    return;
  }
  if (answer.kind !== "records") return;
  findings.found(name, "TLSA", ...answer.records.map(formatTlsa));
  const wrong = answer.records.map(tlsaFaultOf);
  const usable = wrong.filter((problem) => problem === undefined).length;
  const [problem] = wrong.filter((text) => text !== undefined);
  if (usable === 0) findings.red(`No TLSA record of ${host} can be used: ${problem ?? ""}`);
  else if (!answer.secure)
    findings.yellow(`The TLSA records of ${host} are not signed, or not checked by the resolver in use`);
  else if (problem !== undefined) findings.yellow(`A TLSA record of ${host} cannot be used: ${problem}`);
  else findings.green(`${host} has signed TLSA records (${usable})`);
  for (const each of shown) tellShown(host, each, findings);
}

/** Records that fit nothing are passed over beside one that fits: a roll-over publishes the next key's first. */
function tellShown(host: string, { address, result, anyway }: Shown, findings: Findings): void {
  const where = `${host} (${address})`;
  if (result.kind === "established") findings.green(`The certificate that ${where} shows fits a TLSA record`);
  else if (result.kind === "no-handshake")
    findings.yellow(`The certificate of ${where} could not be compared with its TLSA records: ${result.reason}`);
  else if (anyway?.kind !== "established")
    findings.red(`TLS with ${where} fails, so senders that use DANE defer mail: ${anyway?.reason ?? result.reason}`);
  else {
    findings.red(
      `The certificate that ${where} shows fits no TLSA record, so senders that use DANE defer mail: ${result.reason}`,
    );
    const key = anyway.facts.peerCertificate?.publicKeySha256;
    if (key !== undefined) findings.publish(tlsaNameOf(host), "TLSA", `3 1 1 ${key}`);
  }
}
