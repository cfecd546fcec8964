/**
 * MTA-STS (RFC 8461 §3.1): the TXT record and the policy's host. The policy itself is fetched over HTTPS, which this
 * check does not do, and says so.
 */
import { trimBlanks } from "../../lib/trim-blanks.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { capitalsOf, damageOf, doubledSentence, findDoubled, misprintOf } from "./published-text.ts";

/** RFC 8461 §3.1: `sts-id`, `sts-ext-name` and `sts-ext-value`. */
const idField = /^id=[A-Za-z0-9]{1,32}$/;
const extensionField = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\u0021-\u003a\u003c\u003e-\u007e]+$/;
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
  } else if (!isRecord(text) || faultOf(text) !== undefined) {
    const why = damageOf(text) ?? (isRecord(text) ? faultOf(text) : misprintOf(text, "v=STSv1"));
    findings.red(`The MTA-STS record at ${name} is not valid: ${why ?? "it breaks the grammar"}`);
    findings.publish(name, "TXT", "v=STSv1; id=1");
  } else findings.green(`Senders are told of a policy (${text})`);
  const addresses = await Promise.all([resolver.query(policyHost, "A"), resolver.query(policyHost, "AAAA")]);
  if (addresses.every(({ kind }) => kind !== "records")) {
    findings.red(`${policyHost} has no address, so the policy cannot be fetched`);
  }
  findings.green(`The policy at https://${policyHost}/.well-known/mta-sts.txt was not looked at`);
  return findings.result("mta-sts");
}

/** What breaks the grammar: fields with one semicolon between them, and perhaps one at the end. */
function faultOf(text: string): string | undefined {
  if (text.length > lengthMax) return `it is longer than ${lengthMax} characters`;
  const fields = text.split(";").map(trimBlanks);
  if (fields.at(-1) === "") fields.pop();
  const [, ...rest] = fields;
  if (rest.includes("")) return "there is nothing between two of its semicolons";
  const capitals = capitalsOf(text, ["id"]);
  if (capitals !== undefined) return capitals;
  const ids = rest.filter((field) => field.startsWith("id="));
  if (ids.length > 1) return "it has several ids";
  if (!idField.test(ids[0] ?? "")) return "it needs an id of at most 32 letters and digits";
  const broken = rest.find((field) => !field.startsWith("id=") && !extensionField.test(field));
  return broken === undefined ? undefined : `the field "${broken.slice(0, 60)}" breaks the grammar`;
}

function isRecord(text: string): boolean {
  return /^v=STSv1[ \t]*;/.test(text);
}
