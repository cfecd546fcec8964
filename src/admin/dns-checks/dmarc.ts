/** DMARC: one record that can be read, a policy that does something, and report addresses that will get reports. */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { nearest } from "../../lib/nearest.ts";
import { isDmarcRecord, parseDmarcRecord } from "../../dmarc/dmarc-record.ts";
import { checkExternalDestination, destinationHostOf } from "../../dmarc/external-destination.ts";
import { findPolicy, type PolicyDiscovery } from "../../dmarc/policy-discovery.ts";
import { DmarcRecords } from "../../dmarc/tree-walk.ts";
import { Findings, reportUri, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { damageOf, doubledSentence, findDoubled, isCutOff, misprintOf } from "./published-text.ts";

export async function checkDmarc(subject: DnsSubject): Promise<DnsCheck> {
  const { domain, resolver } = subject;
  const findings = new Findings();
  const name = `_dmarc.${domain}`;
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") return findings.red(unanswered(name, "TXT", answer.reason)).result("dmarc");
  const texts = answer.kind === "records" ? answer.records : [];
  const records = texts.filter(isDmarcRecord);
  findings.found(name, "TXT", ...records);
  const [text] = records;
  if (records.length > 1) {
    findings.red(`There are ${records.length} DMARC records at ${name}; none counts until only one is left`);
    findings.publish(name, "TXT", strictest(records));
  } else if (text !== undefined && parseDmarcRecord(text).kind === "other") {
    findings.red(`The DMARC record at ${name} does not count: ${parseDmarcRecord(text).problems.join("; ")}`);
    findings.publish(name, "TXT", suggested(subject));
  } else if (text !== undefined || !(await foundMisplaced(subject, name, texts, findings))) {
    await checkPolicy(subject, text, findings);
  }
  return findings.result("dmarc");
}

/** Whether a record is meant to be there and does not count. */
async function foundMisplaced(
  subject: DnsSubject,
  name: string,
  texts: readonly string[],
  findings: Findings,
): Promise<boolean> {
  const { domain, resolver } = subject;
  for (const text of texts) {
    const misprint = misprintOf(text, "v=DMARC1");
    if (misprint === undefined) continue;
    findings.found(name, "TXT", text).red(`The DMARC record at ${name} does not count: ${misprint}`);
    findings.publish(name, "TXT", repaired(text) ?? suggested(subject));
    return true;
  }
  const doubled = await findDoubled(resolver, domain, name, isDmarcRecord);
  if (doubled === undefined) return false;
  findings.red(doubledSentence(domain, name)).publish(name, "TXT", doubled);
  return true;
}

async function checkPolicy(subject: DnsSubject, own: string | undefined, findings: Findings): Promise<void> {
  const { domain, resolver } = subject;
  const walked = new DmarcRecords(resolver);
  const policy = await findPolicy(resolver, domain, walked);
  const name = `_dmarc.${domain}`;
  switch (policy.kind) {
    case "failure":
      findings.red(policy.reason);
      break;
    case "none":
      findings.red(
        `${domain} has no DMARC record; anyone can use it in From, and large receivers refuse bulk mail from it`,
      );
      findings.publish(name, "TXT", suggested(subject));
      break;
    case "unusable": {
      const damage = own === undefined ? undefined : (damageOf(own) ?? cutOff(own));
      const problems = [...(damage === undefined ? [] : [damage]), ...policy.problems];
      findings.red(`The DMARC record at _dmarc.${policy.policyDomain} has no usable policy: ${problems.join("; ")}`);
      const better =
        (own === undefined ? undefined : repaired(own)) ?? suggested({ ...subject, domain: policy.policyDomain });
      findings.publish(`_dmarc.${policy.policyDomain}`, "TXT", better);
      break;
    }
    case "policy":
      judge(domain, own, policy, findings);
      for (const uri of [...policy.record.rua, ...policy.record.ruf]) {
        await checkReportAddress(resolver, policy.policyDomain, uri, walked, findings);
      }
      break;
    default:
      policy satisfies never;
  }
}

function judge(
  domain: string,
  own: string | undefined,
  { policy, policyDomain, policyTag, record, problems }: Extract<PolicyDiscovery, { kind: "policy" }>,
  findings: Findings,
): void {
  const place = policyDomain === domain ? "" : ` (from ${policyDomain})`;
  const asks = `Forged mail of ${domain} is to be ${policy === "reject" ? "refused" : "treated as spam"}`;
  if (record.testing) findings.yellow(`The policy is only being tested (t=y), so it counts as ${policy}${place}`);
  else if (policy === "none") {
    findings.yellow(
      `${policyTag}=none only watches: forged mail of ${domain} is delivered${place}; go on to quarantine`,
    );
  } else findings.green(`${asks} (${policyTag}=${policy})${place}`);
  if (policyDomain === domain && record.p !== "none" && record.sp === "none") {
    findings.yellow("sp=none leaves all subdomains open to forgery");
  }
  if (record.rua.length === 0) findings.yellow("No address gets reports (rua=), so failures go unnoticed");
  const damage = own === undefined ? undefined : (damageOf(own) ?? (problems.length > 0 ? cutOff(own) : undefined));
  if (damage !== undefined) findings.yellow(`Something is wrong with the record: ${damage}`);
  for (const problem of problems) {
    // A policy that cannot be read counts as none, whatever its owner meant.
    findings.add(isMisspeltPolicy(problem) ? "red" : "yellow", `In the record, ${problem}`);
  }
  const better =
    own !== undefined && (damage !== undefined || problems.some(isMisspeltPolicy)) ? repaired(own) : undefined;
  if (better !== undefined) findings.publish(`_dmarc.${domain}`, "TXT", better);
  if (own !== undefined && /;\s*(pct|rf|ri)\s*=/i.test(own)) {
    findings.green("pct, rf and ri have no meaning any more (RFC 9989 §C.5.2)");
  }
}

/** RFC 9990: reports to another organisation need its consent. */
async function checkReportAddress(
  resolver: DnsSubject["resolver"],
  policyDomain: string,
  uri: string,
  records: DmarcRecords,
  findings: Findings,
): Promise<void> {
  const destination = await checkExternalDestination(resolver, policyDomain, uri, records);
  switch (destination.kind) {
    case "agreed":
      if (destination.external) findings.green(`${uri} has agreed to get the reports`);
      break;
    case "failure":
      findings.yellow(destination.detail);
      break;
    case "refused": {
      findings.yellow(`No reports go to ${uri}: ${destination.detail}`);
      const host = destinationHostOf(uri);
      if (host !== undefined) findings.publish(`${policyDomain}._report._dmarc.${host}`, "TXT", "v=DMARC1");
      break;
    }
    default:
      destination satisfies never;
  }
}

/** The one to keep of several. */
function strictest(records: readonly string[]): string {
  const rank = (text: string): number => {
    const parsed = parseDmarcRecord(text);
    return parsed.kind === "record" ? ["none", "quarantine", "reject"].indexOf(parsed.record.p) : -1;
  };
  return records.toSorted((a, b) => rank(b) - rank(a))[0] ?? "";
}

function isMisspeltPolicy(problem: string): boolean {
  return /^(?:p|sp|np)= says /.test(problem);
}

/** Without what people put around it, and with the policy that was meant; undefined where that does not help. */
function repaired(text: string): string | undefined {
  const bare = text
    .slice(0, repairedLengthMax)
    .replaceAll(/["\u201c\u201d\\]/g, "")
    .trim()
    .replace(/^v\s*=\s*dmarc1/i, "v=DMARC1")
    .split(";")
    .map(withKnownPolicy)
    .join(";");
  const parsed = parseDmarcRecord(bare);
  return parsed.kind === "record" && !parsed.problems.some(isMisspeltPolicy) ? bare : undefined;
}

/** A longer record has more wrong than can be guessed. */
const repairedLengthMax = 2000;

function withKnownPolicy(tag: string): string {
  const [, start = "", value = ""] = /^(\s*(?:p|sp|np)\s*=\s*)(\S+)\s*$/i.exec(tag) ?? [];
  const meant = value === "" ? undefined : nearest(value, ["none", "quarantine", "reject"]);
  return meant === undefined || meant === asciiLowerCase(value) ? tag : `${start}${meant}`;
}

function cutOff(text: string): string | undefined {
  return isCutOff(text) ? `it ends after ${text.length} characters, probably cut off` : undefined;
}

function suggested(subject: Pick<DnsSubject, "domain" | "reportAddress">): string {
  return `v=DMARC1; p=none; rua=${reportUri(subject)}`;
}
