/**
 * DANE for SMTP (RFC 7672): TLSA records of the mail hosts, and whether they and the way to them are signed. Whether they
 * fit the certificate in use only a connection could tell.
 */
import { formatTlsa, tlsaFaultOf } from "../../dane/tlsa-record.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import type { MxCheck } from "./mx.ts";

export async function checkDane({ domain, resolver }: DnsSubject, { hosts, secure }: MxCheck): Promise<DnsCheck> {
  const findings = new Findings();
  if (hosts.length === 0) return findings.green("There is no mail host to check").result("dane");
  let withRecords = 0;
  for (const { name } of hosts) if (await checkHost(name, resolver, findings)) withRecords++;
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
  findings.green("The records were not compared with the certificates in use");
  return findings.result("dane");
}

/** Whether the host has records. */
async function checkHost(host: string, resolver: Resolver, findings: Findings): Promise<boolean> {
  const name = `_25._tcp.${host}`;
  const answer = await resolver.query(name, "TLSA");
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
  if (usable === 0) findings.red(`No TLSA record of ${host} can be used: ${problem ?? ""}`);
  else if (!answer.secure)
    findings.yellow(`The TLSA records of ${host} are not signed, or not checked by the resolver in use`);
  else if (problem !== undefined) findings.yellow(`A TLSA record of ${host} cannot be used: ${problem}`);
  else findings.green(`${host} has signed TLSA records (${usable})`);
  return true;
}
