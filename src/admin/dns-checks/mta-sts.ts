/**
 * MTA-STS (RFC 8461 §3.1): the TXT record and the policy's host. The policy itself is fetched over HTTPS, which this
 * check does not do, and says so.
 */
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { damageOf, doubledSentence, findDoubled, misprintOf } from "./published-text.ts";

/** RFC 8461 §3.1: `id` has 1 to 32 letters and digits; other fields may follow. */
const grammar =
  /^v=STSv1[ \t]*;[ \t]*(?:[A-Za-z0-9_.-]{1,32}=[^;=\s]+[ \t]*;[ \t]*)*id=[A-Za-z0-9]{1,32}[ \t]*(?:;.*)?$/;
const lengthMax = 1000;

export async function checkMtaSts({ domain, resolver }: DnsSubject): Promise<DnsCheck> {
  const findings = new Findings();
  const name = `_mta-sts.${domain}`;
  const policyHost = `mta-sts.${domain}`;
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") return findings.red(unanswered(name, "TXT", answer.reason)).result("mta-sts");
  const texts = answer.kind === "records" ? answer.records : [];
  const meant = texts.filter((text) => isRecord(text) || misprintOf(text, "v=STSv1") !== undefined);
  findings.found(name, "TXT", ...meant);
  const [text] = meant;
  if (text === undefined) {
    const doubled = await findDoubled(resolver, domain, name, isRecord);
    if (doubled !== undefined) findings.red(doubledSentence(domain, name)).publish(name, "TXT", doubled);
    else
      findings.yellow(
        `${domain} has no MTA-STS; with it senders insist on TLS. Set up https://${policyHost} first, then the record`,
      );
    return findings.result("mta-sts");
  }
  if (meant.filter(isRecord).length > 1) {
    findings.red(`There are several MTA-STS records at ${name}; senders then ignore them all`);
  } else if (!isRecord(text) || text.length > lengthMax || !grammar.test(text)) {
    const why = damageOf(text) ?? misprintOf(text, "v=STSv1");
    findings.red(
      `The MTA-STS record at ${name} is not valid: ${isRecord(text) ? (damageOf(text) ?? "it needs an id of letters and digits") : why}`,
    );
    findings.publish(name, "TXT", "v=STSv1; id=1");
  } else findings.green(`Senders are told of a policy (${text})`);
  const addresses = await Promise.all([resolver.query(policyHost, "A"), resolver.query(policyHost, "AAAA")]);
  if (addresses.every(({ kind }) => kind !== "records")) {
    findings.red(`${policyHost} has no address, so the policy cannot be fetched`);
  }
  findings.green(`The policy at https://${policyHost}/.well-known/mta-sts.txt was not looked at`);
  return findings.result("mta-sts");
}

function isRecord(text: string): boolean {
  return /^v=STSv1[ \t]*;/.test(text);
}
