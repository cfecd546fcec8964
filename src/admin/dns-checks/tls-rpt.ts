/** TLS reports (RFC 8460 §3): whether senders are asked for them, in a form that they understand. */
import { findTlsReportRecord } from "../../tls-rpt/tls-rpt-record.ts";
import { Findings, reportUri, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { capitalsOf, damageOf, doubledSentence, findDoubled, misprintOf } from "./published-text.ts";

export async function checkTlsRpt(subject: DnsSubject): Promise<DnsCheck> {
  const { domain, resolver } = subject;
  const findings = new Findings();
  const name = `_smtp._tls.${domain}`;
  const suggested = `v=TLSRPTv1; rua=${reportUri(subject)}`;
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") return findings.red(unanswered(name, "TXT", answer.reason)).result("tls-rpt");
  const texts = answer.kind === "records" ? answer.records : [];
  const meant = texts.filter((text) => isMeant(text));
  findings.found(name, "TXT", ...meant);
  const result = findTlsReportRecord(texts);
  if (result.kind === "record") {
    findings.green(`Reports of TLS failures go to ${result.record.rua.join(", ")}`);
  } else if (result.kind === "invalid") {
    const damage = meant
      .map((text) => damageOf(text) ?? capitalsOf(text, ["rua"]))
      .find((problem) => problem !== undefined);
    findings.red(`The TLS report record at ${name} is not valid: ${damage ?? result.reason.replace(/\.$/, "")}`);
    findings.publish(name, "TXT", suggested);
  } else if (meant[0] !== undefined) {
    findings.red(`The TLS report record at ${name} does not count: ${misprintOf(meant[0], "v=TLSRPTv1") ?? ""}`);
    findings.publish(name, "TXT", suggested);
  } else {
    const doubled = await findDoubled(resolver, domain, name, isMeant);
    if (doubled !== undefined) findings.red(doubledSentence(domain, name)).publish(name, "TXT", doubled);
    else {
      findings.yellow(`Senders do not report to ${domain} when TLS to its mail hosts fails`);
      findings.publish(name, "TXT", suggested);
    }
  }
  return findings.result("tls-rpt");
}

function isMeant(text: string): boolean {
  return misprintOf(text, "v=TLSRPTv1") !== undefined;
}
