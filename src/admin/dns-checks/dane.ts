/**
 * DANE for SMTP (RFC 7672): TLSA records of the mail hosts, whether they and the way to them are signed, and whether they
 * fit the certificates that the hosts show.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import { formatTlsa, tlsaFaultOf } from "../../dane/tlsa-record.ts";
import type { TlsaRecord } from "../../ports/resolver.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject, type HandshakeProbe } from "./dns-check.ts";
import type { MailHost, MxCheck } from "./mx.ts";

/** Addresses of one host that are tried; no honest host has more servers behind its name that differ. */
const addressesMax = 4;

export async function checkDane(subject: DnsSubject, { hosts, secure }: MxCheck): Promise<DnsCheck> {
  const { domain, handshake } = subject;
  const findings = new Findings();
  if (hosts.length === 0) return findings.green("There is no mail host to check").result("dane");
  let withRecords = 0;
  for (const host of hosts) if (await checkHost(host, subject, findings)) withRecords++;
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

/** Whether the host has records. */
async function checkHost(host: MailHost, subject: DnsSubject, findings: Findings): Promise<boolean> {
  const name = `_25._tcp.${host.name}`;
  const answer = await subject.resolver.query(name, "TLSA");
  if (answer.kind === "failure") {
    // RFC 7672 §2.1.1: without an answer a sender cannot know whether it may go on without DANE.
    findings.red(`${unanswered(name, "TLSA", answer.reason)}; senders that use DANE defer mail`);
    return false;
  }
  if (answer.kind !== "records") return false;
  findings.found(name, "TLSA", ...answer.records.map(formatTlsa));
  const wrong = answer.records.map(tlsaFaultOf);
  const usable = wrong.filter((problem) => problem === undefined).length;
  const [problem] = wrong.filter((text) => text !== undefined);
  if (usable === 0) findings.red(`No TLSA record of ${host.name} can be used: ${problem ?? ""}`);
  else if (!answer.secure)
    findings.yellow(`The TLSA records of ${host.name} are not signed, or not checked by the resolver in use`);
  else if (problem !== undefined) findings.yellow(`A TLSA record of ${host.name} cannot be used: ${problem}`);
  else findings.green(`${host.name} has signed TLSA records (${usable})`);
  if (usable > 0) await compare(host, answer.records, subject, findings);
  return true;
}

/**
 * Records that fit nothing yet are not told of: a roll-over publishes the next key's first. Each address is asked, because a
 * name may stand for several servers.
 */
async function compare(
  { name, addresses }: MailHost,
  records: readonly TlsaRecord[],
  { domain, handshake }: DnsSubject,
  findings: Findings,
): Promise<void> {
  if (handshake === undefined) return;
  for (const address of addresses.filter(isPublic).slice(0, addressesMax)) {
    const where = `${name} (${address})`;
    const result = await handshake(name, address, { kind: "dane", records, names: [name, domain] });
    if (result.kind === "established") {
      findings.green(`The certificate that ${where} shows fits a TLSA record`);
    } else if (result.kind === "no-handshake") {
      findings.yellow(`The certificate of ${where} could not be compared with its TLSA records: ${result.reason}`);
    } else await tellUnmet({ name, address, where, reason: result.reason }, handshake, findings);
  }
}

/** A name may lead anywhere; what stands in this machine's own network is not tried. */
function isPublic(text: string): boolean {
  const address = parseIpAddress(text);
  return address !== undefined && !isLoopback(address) && !isPrivate(address);
}

/** Whether it is the certificate that does not fit, or TLS as such that fails, a second handshake shows. */
async function tellUnmet(
  { name, address, where, reason }: Readonly<Record<"name" | "address" | "where" | "reason", string>>,
  handshake: HandshakeProbe,
  findings: Findings,
): Promise<void> {
  const shown = await handshake(name, address, { kind: "required" });
  if (shown.kind !== "established") {
    findings.red(`TLS with ${where} fails, so senders that use DANE defer mail: ${shown.reason}`);
    return;
  }
  findings.red(
    `The certificate that ${where} shows fits no TLSA record, so senders that use DANE defer mail: ${reason}`,
  );
  const key = shown.facts.peerCertificate?.publicKeySha256;
  if (key !== undefined) findings.publish(`_25._tcp.${name}`, "TLSA", `3 1 1 ${key}`);
}
