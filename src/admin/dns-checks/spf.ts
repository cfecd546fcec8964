/** SPF: one valid record, within the limits of look-ups, that lists the addresses mail is sent from. */
import { allDescriptions, describeSpf, type SpfDescription } from "../../spf/describe.ts";
import { lookupsMax, voidLookupsMax } from "../../spf/evaluation.ts";
import { parseClient } from "../../spf/client-address.ts";
import { isSpfRecord } from "../../spf/record.ts";
import { checkHost } from "../../spf/spf.ts";
import type { Instant } from "../../lib/instant.ts";
import { Findings, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { damageOf, doubledSentence, findDoubled, isCutOff, misprintOf } from "./published-text.ts";

export interface SpfSubject extends DnsSubject {
  readonly now: Instant;
  /** The domain takes no mail, so probably sends none. */
  readonly isNull: boolean;
}

export async function checkSpf(subject: SpfSubject): Promise<DnsCheck> {
  const { domain, resolver } = subject;
  const findings = new Findings();
  const tree = await describeSpf(resolver, domain);
  findings.found(domain, "TXT", ...tree.records);
  switch (tree.state) {
    case "none":
      await checkMissing(subject, findings);
      break;
    case "no-name":
    case "failure":
      findings.red(tree.problems.join("; "));
      break;
    case "several":
      findings.red(tree.problems.join("; "));
      findings.publish(domain, "TXT", merged(tree.records));
      break;
    case "invalid":
      checkInvalid(tree, findings);
      break;
    case "valid": {
      checkLimits(tree, findings);
      const missing = await checkSenders(subject, findings);
      checkEnd(tree, findings);
      const [text = ""] = tree.records;
      const better = repaired(text, tree, missing);
      if (better !== text) findings.publish(domain, "TXT", better);
      break;
    }
    default:
      tree.state satisfies never;
  }
  return { ...findings.result("spf"), tree };
}

async function checkMissing(subject: SpfSubject, findings: Findings): Promise<void> {
  const { domain, resolver } = subject;
  const answer = await resolver.query(domain, "TXT");
  for (const text of answer.kind === "records" ? answer.records : []) {
    const misprint = misprintOf(text, "v=spf1");
    if (misprint === undefined) continue;
    findings.found(domain, "TXT", text).red(`The SPF record of ${domain} does not count: ${misprint}`);
    findings.publish(domain, "TXT", suggested(subject));
    return;
  }
  const doubled = await findDoubled(resolver, domain, domain, isSpfRecord);
  if (doubled !== undefined) {
    findings.red(doubledSentence(domain, domain)).publish(domain, "TXT", doubled);
    return;
  }
  findings.red(`${domain} has no SPF record, so anyone can send mail in its name`);
  findings.publish(domain, "TXT", suggested(subject));
}

function checkInvalid(tree: SpfDescription, findings: Findings): void {
  const [text = ""] = tree.records;
  const damage =
    damageOf(text) ?? (isCutOff(text) ? `it ends after ${text.length} characters, probably cut off` : undefined);
  findings.red(`The SPF record is not valid: ${damage ?? tree.problems.join("; ")}`);
  if (damage !== undefined) for (const problem of tree.problems) findings.red(problem);
}

function checkLimits(tree: SpfDescription, findings: Findings): void {
  const { lookups, voidLookups } = tree;
  const counted = `${lookups} of ${lookupsMax} DNS look-ups`;
  if (lookups > lookupsMax) {
    findings.red(`The SPF record takes ${counted}: a permanent error; list addresses in place of includes`);
  } else if (lookups > lookupsMax - 2) {
    findings.yellow(`The SPF record takes ${counted}; a provider that adds to his own breaks it`);
  } else findings.green(`The SPF record takes ${counted}`);
  if (voidLookups > voidLookupsMax) {
    findings.red(`Of its names, ${voidLookups} have no records; more than ${voidLookupsMax} are a permanent error`);
  } else if (voidLookups > 0) findings.yellow(`Names in it without records: ${voidLookups}; remove those terms`);
  for (const { domain, state, problems } of allDescriptions(tree)) {
    for (const problem of problems) {
      if (state === "valid") findings.yellow(`In the record of ${domain}, ${problem}`);
      else findings.red(`The record leads to ${domain}, where receivers meet an error: ${problem}`);
    }
  }
}

function checkEnd(tree: SpfDescription, findings: Findings): void {
  switch (tree.otherwise) {
    case "fail":
    case "softfail":
      break;
    case "pass":
      findings.red("It ends in +all, which lets everybody send in the name of the domain");
      break;
    case "neutral":
      findings.yellow("It ends in ?all, which says nothing about other hosts; ~all or -all does");
      break;
    case undefined: {
      if (tree.terms.some(({ kind }) => kind === "redirect")) break;
      const cut = isCutOff(tree.records[0] ?? "") ? "; it was probably cut off" : "";
      findings.yellow(`It does not end in ~all or -all, so it says nothing about other hosts${cut}`);
      break;
    }
    default:
      tree.otherwise satisfies never;
  }
}

/** Returns the addresses that the record should list and does not. */
async function checkSenders({ addresses, domain, resolver, now }: SpfSubject, findings: Findings): Promise<string[]> {
  const missing: string[] = [];
  for (const clientAddress of addresses) {
    const query = { clientAddress, domain, sender: { localPart: "postmaster", domain }, hello: domain };
    const { result, reason } = await checkHost({ ...query, identity: "mailfrom" }, { resolver, now });
    if (result === "pass") findings.green(reason);
    else {
      findings.red(`Mail from ${clientAddress} gets ${result}: ${reason}`);
      missing.push(clientAddress);
    }
  }
  return missing;
}

/** The record without what leads nowhere, with the missing addresses, and with an end that says something. */
function repaired(text: string, { terms, otherwise }: SpfDescription, missing: readonly string[]): string {
  const dead = new Set(
    terms.filter(({ below }) => below?.state === "none" || below?.state === "no-name").map(({ text: term }) => term),
  );
  const words = text.split(" ").filter((word) => word !== "" && !dead.has(word));
  const end = words.findIndex(isAll);
  const isOpen = otherwise === undefined || otherwise === "pass" || otherwise === "neutral";
  if (!isOpen && dead.size === 0 && missing.length === 0) return text;
  const before = end === -1 ? words : words.slice(0, end);
  const after = end === -1 ? [] : words.slice(end + 1);
  const redirects = words.some((word) => /^redirect=/i.test(word));
  const last = redirects && end === -1 ? [] : [isOpen ? "~all" : (words[end] ?? "~all")];
  // A redirect stands behind all mechanisms (RFC 7208 §6.1).
  const [mechanisms, modifiers] = [before.filter((word) => !isModifier(word)), before.filter(isModifier)];
  return [...mechanisms, ...networksOf(missing), ...last, ...modifiers, ...after].join(" ");
}

function isAll(term: string): boolean {
  return /^[-+~?]?all$/i.test(term);
}

/** The version looks like one, and stays in front. */
function isModifier(term: string): boolean {
  return /^[a-z][a-z0-9._-]*=/i.test(term) && !/^v=spf1$/i.test(term);
}

/** Every term of the records once, with the last word of the first that has one. */
function merged(records: readonly string[]): string {
  const terms = new Set(records.flatMap((record) => record.split(" ").slice(1)).filter((term) => term !== ""));
  const end = [...terms].find(isAll) ?? "~all";
  return ["v=spf1", ...[...terms].filter((term) => !isAll(term)), end].join(" ");
}

function suggested({ addresses, isNull }: SpfSubject): string {
  if (addresses.length === 0 && isNull) return "v=spf1 -all";
  return ["v=spf1", "mx", ...networksOf(addresses), "~all"].join(" ");
}

function networksOf(addresses: readonly string[]): string[] {
  return addresses.flatMap((address) => {
    const client = parseClient(address);
    return client === undefined ? [] : [`ip${client.family}:${client.text}`];
  });
}
