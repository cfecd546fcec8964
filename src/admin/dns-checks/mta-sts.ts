/**
 * MTA-STS (RFC 8461): the TXT record, the policy's host, and the policy itself with the hosts that take mail, where HTTPS is
 * to be had.
 */
import { fetchPolicy, policyHostOf, policyPath } from "../../mta-sts/fetch-policy.ts";
import { policyDocument, policyId, policyRecord } from "../../mta-sts/own-policy.ts";
import { listsMx, type StsPolicy } from "../../mta-sts/sts-policy.ts";
import { isStsRecord, parseStsRecord } from "../../mta-sts/sts-record.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import type { MxCheck } from "./mx.ts";
import { capitalsOf, damageOf, doubledSentence, findDoubled, misprintOf } from "./published-text.ts";

/** Less than a day helps little: who wants mail in clear has to wait that long only (RFC 8461 §10.2). */
const shortAgeSeconds = 86_400;

export async function checkMtaSts(subject: DnsSubject, { hosts }: MxCheck): Promise<DnsCheck> {
  const { domain, resolver } = subject;
  const findings = new Findings();
  const name = `_mta-sts.${domain}`;
  const policyHost = policyHostOf(domain);
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") return findings.red(unanswered(name, "TXT", answer.reason)).result("mta-sts");
  const texts = answer.kind === "records" ? answer.records : [];
  const meant = texts.filter((text) => isStsRecord(text) || misprintOf(text, "v=STSv1") !== undefined);
  findings.found(name, "TXT", ...meant);
  const [text] = meant;
  const own = subject.ownStsPolicy;
  const record = own === undefined ? "v=STSv1; id=1" : policyRecord(own);
  if (text === undefined) {
    const doubled = await findDoubled(resolver, domain, name, isStsRecord);
    if (doubled !== undefined) findings.red(doubledSentence(domain, name)).publish(name, "TXT", doubled);
    else if (own !== undefined && own.mode !== "none") {
      findings.yellow(`The configuration has a policy (mta_sts), but senders do not look for it without a record`);
      findings.publish(name, "TXT", record);
    } else
      findings.yellow(
        `${domain} has no MTA-STS; with it senders insist on TLS. Set up https://${policyHost} first, then the record`,
      );
    return findings.result("mta-sts");
  }
  if (meant.filter(isStsRecord).length > 1) {
    findings.red(`There are several MTA-STS records at ${name}; senders then ignore them all`);
  } else if (!isStsRecord(text) || faultOf(text) !== undefined) {
    const why = damageOf(text) ?? (isStsRecord(text) ? faultOf(text) : misprintOf(text, "v=STSv1"));
    findings.red(`The MTA-STS record at ${name} is not valid: ${why ?? "it breaks the grammar"}`);
    findings.publish(name, "TXT", record);
  } else if (own !== undefined && idOf(text) !== policyId(own)) {
    findings.yellow(
      "The record does not have the id of the policy in the configuration, so senders do not fetch it anew",
    );
    findings.publish(name, "TXT", record);
  } else findings.green(`Senders can find a policy (${text})`);
  const addresses = await Promise.all([resolver.query(policyHost, "A"), resolver.query(policyHost, "AAAA")]);
  if (addresses.every(({ kind }) => kind !== "records")) {
    findings.red(`${policyHost} has no address, so the policy cannot be fetched`);
  } else await checkPolicy(subject, hosts, findings);
  return findings.result("mta-sts");
}

async function checkPolicy(
  { domain, policyFetcher, signal, ownStsPolicy: own }: DnsSubject,
  hosts: MxCheck["hosts"],
  findings: Findings,
): Promise<void> {
  const address = `https://${policyHostOf(domain)}${policyPath}`;
  if (policyFetcher === undefined) {
    findings.green(`The policy at ${address} was not checked`);
    return;
  }
  const fetched = await fetchPolicy(policyFetcher, domain, signal === undefined ? {} : { signal });
  if (fetched.kind === "trouble") findings.red(`The policy at ${address} cannot be used: ${fetched.reason}`);
  else {
    judgePolicy(fetched.policy, hosts, findings);
    if (own !== undefined && policyDocument(fetched.policy) !== policyDocument(own)) {
      findings.yellow(`The policy at ${address} is not the one of the configuration (mta_sts)`);
    }
  }
}

function idOf(text: string): string | undefined {
  const parsed = parseStsRecord(text);
  return parsed.kind === "record" ? parsed.record.id : undefined;
}

function judgePolicy(policy: StsPolicy, hosts: MxCheck["hosts"], findings: Findings): void {
  const { mode, maxAgeSeconds } = policy;
  if (mode === "none") {
    findings.yellow("The policy has the mode none, which asks nothing of senders");
    return;
  }
  for (const { name } of hosts) {
    if (listsMx(policy, name)) continue;
    // RFC 8461 §5: with enforce, mail to that host waits and comes back at last.
    if (mode === "enforce") findings.red(`The policy does not list ${name}, so senders send no mail there`);
    else findings.yellow(`The policy does not list ${name}; with the mode enforce, senders would send no mail there`);
  }
  if (mode === "testing") findings.yellow("The policy has the mode testing: senders only report what fails");
  else if (maxAgeSeconds < shortAgeSeconds) {
    findings.yellow(`The policy is valid for ${maxAgeSeconds} seconds only (max_age); weeks are usual`);
  } else findings.green("The policy is enforced, and it lists every mail host");
}

/** What breaks the grammar, or looks like a mistake although the grammar lets it stand. */
function faultOf(text: string): string | undefined {
  const capitals = capitalsOf(text, ["id"]);
  if (capitals !== undefined) return capitals;
  // Senders take the first, but two of them are nobody's intention.
  if (text.split(";").filter((field) => field.trimStart().startsWith("id=")).length > 1) return "it has several ids";
  const parsed = parseStsRecord(text);
  return parsed.kind === "invalid" ? parsed.reason : undefined;
}
