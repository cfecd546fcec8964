/**
 * DKIM keys: those that the domain's server signs with and those that were asked for must be there and sound. Nobody can
 * list a domain's selectors, so without any of these the usual ones are tried.
 */
import { parseKeyRecord, type KeyRecord } from "../../dkim/key-record.ts";
import { decodeBase64, parseTagList } from "../../dkim/tag-list.ts";
import { Findings, unanswered, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { capitalsOf, damageOf, doubledSentence, findDoubled, isCutOff, misprintOf } from "./published-text.ts";

/** What large providers and usual software name their keys. */
const usualSelectors = [
  "default", "dkim", "mail", "mx", "smtp", "email", "key1", "key2", "s1", "s2", "k1", "k2", "k3", "sig1", "selector1",
  "selector2", "google", "fm1", "fm2", "fm3", "protonmail", "protonmail2", "protonmail3", "zoho", "mandrill", "pm", "rsa",
  "ed25519",
] as const; // prettier-ignore

interface Wanted {
  readonly selector: string;
  /** What our own server needs to be there. */
  readonly record?: string;
  /** Only tried: nothing is wrong if it is not there. */
  readonly isGuess: boolean;
}

export async function checkDkim(subject: DnsSubject): Promise<DnsCheck> {
  const { selectors, ownKeys } = subject;
  const findings = new Findings();
  const wanted: readonly Wanted[] = [
    ...ownKeys.map((key) => ({ ...key, isGuess: false })),
    ...selectors
      .filter((selector) => !ownKeys.some((key) => key.selector === selector))
      .map((selector) => ({ selector, isGuess: false })),
  ];
  if (wanted.length > 0) {
    for (const key of wanted) await checkSelector(subject, key, findings);
    return findings.result("dkim");
  }
  const seen = await Promise.all(
    usualSelectors.map((selector) => checkSelector(subject, { selector, isGuess: true }, findings)),
  );
  if (!seen.includes(true)) {
    findings.yellow(
      `No key was found under any common selector of ${subject.domain}; specify the one in use with --selector`,
    );
  }
  return findings.result("dkim");
}

/** Whether there is a record. */
async function checkSelector({ domain, resolver }: DnsSubject, wanted: Wanted, findings: Findings): Promise<boolean> {
  const name = `${wanted.selector}._domainkey.${domain}`;
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") {
    if (!wanted.isGuess) findings.red(unanswered(name, "TXT", answer.reason));
    return false;
  }
  const records = answer.kind === "records" ? answer.records.filter(isMeant) : [];
  findings.found(name, "TXT", ...records);
  const [text] = records;
  if (text === undefined) {
    if (!wanted.isGuess) await reportMissing(domain, name, wanted, resolver, findings);
    return false;
  }
  const publish = (): void => {
    if (wanted.record !== undefined) findings.publish(name, "TXT", wanted.record);
  };
  if (records.length > 1) {
    findings.red(`There are ${records.length} key records at ${name}; leave one, or no signature can be checked`);
    publish();
    return true;
  }
  const parsed = parseKeyRecord(text);
  if (parsed.kind !== "record") {
    findings.red(
      `The key at ${name} cannot be used: ${brokenBecause(text, parsed.kind === "malformed" ? parsed.detail : "")}`,
    );
    publish();
  } else if (wanted.record !== undefined && !isSameKey(parsed.record, wanted.record)) {
    findings.red(`The key at ${name} is not the one that the server signs with`);
    publish();
  } else {
    judge(name, parsed.record, wanted, findings);
    if (/(?:^|;)\s*p\s*=\s*[^;\s]+\s+[^;\s]/.test(text)) {
      findings.yellow(`The key at ${name} has spaces inside p=; the standard allows them, some receivers do not`);
    }
  }
  return true;
}

async function reportMissing(
  domain: string,
  name: string,
  { record }: Wanted,
  resolver: DnsSubject["resolver"],
  findings: Findings,
): Promise<void> {
  const doubled = await findDoubled(resolver, domain, name, isMeant);
  if (doubled !== undefined) {
    findings.red(doubledSentence(domain, name)).publish(name, "TXT", record ?? doubled);
    return;
  }
  findings.red(`There is no key at ${name}, so signatures that name it fail`);
  if (record !== undefined) findings.publish(name, "TXT", record);
}

function judge(name: string, record: KeyRecord, { isGuess }: Wanted, findings: Findings): void {
  if (record.key === "revoked") {
    findings.add(isGuess ? "yellow" : "red", `The key at ${name} is revoked (its p= is empty)`);
    return;
  }
  const { bits, type } = record.key;
  if (!record.forEmail) findings.red(`The key at ${name} is not for mail (s=)`);
  else if (record.hashes !== undefined && !record.hashes.includes("sha256")) {
    findings.red(`The key at ${name} does not allow sha256 (h=), and nothing else may be used`);
  } else if (type === "rsa" && bits < 1024)
    findings.red(`The key at ${name} has ${bits} bits; receivers take no less than 1024`);
  else if (type === "rsa" && bits < 2048)
    findings.yellow(`The key at ${name} has ${bits} bits; use 2048 (RFC 8301 §3.2)`);
  else if (record.testing) findings.yellow(`The key at ${name} says that it is only being tested (t=y)`);
  else findings.green(`The key at ${name} is sound (${type === "rsa" ? `RSA, ${bits} bits` : "Ed25519"})`);
}

/** The likeliest reason first. */
function brokenBecause(text: string, detail: string): string {
  const damage =
    damageOf(text) ?? misprintOfKey(text) ?? capitalsOf(text, ["v", "k", "p", "h", "s", "t"]) ?? doubledTag(text);
  if (damage !== undefined) return damage;
  const encoded = parseTagList(text)?.get("p") ?? /p=([A-Za-z0-9+/=\s]*)/.exec(text)?.[1] ?? "";
  const octets = decodeBase64(encoded);
  const whole = octets === undefined ? undefined : derLength(octets);
  if (octets !== undefined && whole !== undefined && octets.length < whole) {
    return `it was cut off, ${octets.length} of ${whole} octets of the key are there; publish it in several strings of at most 255 characters`;
  }
  if (isCutOff(text)) return `it was cut off after ${text.length} characters; publish it in several strings`;
  return detail === "" ? "it is no key record" : detail;
}

/** RFC 6376 §3.2: a tag that stands there twice makes the whole record void. */
function doubledTag(text: string): string | undefined {
  const seen = new Set<string>();
  for (const part of text.split(";")) {
    const [, name] = /^\s*([a-z][a-z0-9_]{0,19})\s*=/.exec(part) ?? [];
    if (name !== undefined && seen.has(name)) return `the tag ${name}= appears twice`;
    if (name !== undefined) seen.add(name);
  }
  return undefined;
}

function misprintOfKey(text: string): string | undefined {
  return text.startsWith("v=DKIM1") ? undefined : misprintOf(text, "v=DKIM1");
}

/** Octets that a DER sequence claims to have, with its head; undefined for what is none. */
function derLength(octets: Buffer): number | undefined {
  if (octets[0] !== 0x30 || octets.length < 4) return undefined;
  const first = octets.readUInt8(1);
  if (first < 0x80) return first + 2;
  if (first === 0x81) return octets.readUInt8(2) + 3;
  return first === 0x82 ? octets.readUInt16BE(2) + 4 : undefined;
}

function isSameKey({ key }: KeyRecord, ours: string): boolean {
  const parsed = parseKeyRecord(ours);
  if (key === "revoked" || parsed.kind !== "record" || parsed.record.key === "revoked") return false;
  return key.object.equals(parsed.record.key.object);
}

function isMeant(text: string): boolean {
  return /\bp\s*=/i.test(text) || misprintOf(text, "v=DKIM1") !== undefined;
}
