/**
 * What `check dns` finds out about a domain, as values: for each subject a colour, a sentence, the records that are there,
 * and what to publish instead. The checks lie beside this file, one subject to a file.
 */
import type { StsPolicy } from "../../mta-sts/sts-policy.ts";
import type { ProbedHandshake } from "../../outbound/handshake-probe.ts";
import type { PolicyFetcher } from "../../ports/policy-fetcher.ts";
import type { RecordType, Resolver } from "../../ports/resolver.ts";
import type { HandshakeDemand } from "../../ports/tls-demand.ts";
import type { SpfDescription } from "../../spf/describe.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";

export type CheckName = "mx" | "addresses" | "spf" | "dkim" | "dmarc" | "mta-sts" | "tls-rpt" | "dane";

/** Green: right. Yellow: works, could be better or is not complete. Red: mail is lost, refused or open to forgery. */
export type CheckStatus = "green" | "yellow" | "red";

export interface CheckedRecord {
  /** Whole name, without the final dot. */
  readonly name: string;
  readonly type: RecordType;
  readonly value: string;
}

export interface Finding {
  readonly status: CheckStatus;
  /** Without a full stop. */
  readonly sentence: string;
}

export interface DnsCheck extends Finding {
  readonly check: CheckName;
  /** What else was seen, in the order in which it was looked at. */
  readonly details: readonly Finding[];
  readonly found: readonly CheckedRecord[];
  /** Records to publish in place of what is there under these names; empty where nothing is to be done. */
  readonly publish: readonly CheckedRecord[];
  /** Of `spf`: the terms with their look-ups. */
  readonly tree?: SpfDescription;
}

/** One of our own signing keys. */
export interface OwnKey {
  readonly selector: string;
  /** The key record that belongs into the DNS. */
  readonly record: string;
}

/** STARTTLS with a mail host at one of its addresses, on port 25, and nothing more. Never rejects. */
export type HandshakeProbe = (host: string, address: string, demand: HandshakeDemand) => Promise<ProbedHandshake>;

export interface DnsSubject {
  /** A-labels, lower case. */
  readonly domain: string;
  readonly resolver: Resolver;
  /** DKIM selectors that must be there. */
  readonly selectors: readonly string[];
  /** Keys that the server of this domain signs with. */
  readonly ownKeys: readonly OwnKey[];
  /** Addresses that mail of the domain is sent from. */
  readonly addresses: readonly string[];
  /** The MTA-STS policy that the server's configuration has for its domains. */
  readonly ownStsPolicy?: StsPolicy;
  /** Where the server takes reports, for records that are suggested; if not there, or elsewhere, postmaster. */
  readonly reportAddress?: string;
  /** Absent: what only HTTPS tells is not looked at. */
  readonly policyFetcher?: PolicyFetcher;
  /** Absent: TLSA records are not compared with the certificates that the mail hosts show. */
  readonly handshake?: HandshakeProbe;
  /** Ends what is waited for besides the resolver. */
  readonly signal?: AbortSignal;
}

/** What a suggested `rua` names. An address of another domain would need that domain's consent. */
export function reportUri({ domain, reportAddress }: Pick<DnsSubject, "domain" | "reportAddress">): string {
  const isHere = asciiLowerCase(reportAddress ?? "").endsWith(`@${domain}`);
  return `mailto:${isHere ? reportAddress : `postmaster@${domain}`}`;
}

/** Gathers what a check finds; the worst finding gives the colour and the sentence. */
export class Findings {
  readonly #findings: Finding[] = [];
  readonly #found: CheckedRecord[] = [];
  readonly #publish: CheckedRecord[] = [];

  green(sentence: string): this {
    return this.add("green", sentence);
  }

  yellow(sentence: string): this {
    return this.add("yellow", sentence);
  }

  red(sentence: string): this {
    return this.add("red", sentence);
  }

  add(status: CheckStatus, sentence: string): this {
    this.#findings.push({ status, sentence });
    return this;
  }

  /** A record that is there. */
  found(name: string, type: RecordType, ...values: readonly string[]): this {
    for (const value of values) this.#found.push({ name, type, value });
    return this;
  }

  publish(name: string, type: RecordType, value: string): this {
    this.#publish.push({ name, type, value });
    return this;
  }

  get worst(): CheckStatus {
    return worstOf(this.#findings);
  }

  /** There must be a finding. */
  result(check: CheckName): DnsCheck {
    const status = this.worst;
    const first = this.#findings.findIndex((finding) => finding.status === status);
    const sentence = this.#findings[first]?.sentence ?? "Nothing was found";
    const details = this.#findings.filter((_, index) => index !== first);
    return { check, status, sentence, details, found: this.#found, publish: this.#publish };
  }
}

export function worstOf(findings: readonly Finding[]): CheckStatus {
  if (findings.some(({ status }) => status === "red")) return "red";
  return findings.some(({ status }) => status === "yellow") ? "yellow" : "green";
}

/** The sentence for a question that the DNS left open: whoever else asks gets no answer either. */
export function unanswered(name: string, type: RecordType, reason: string): string {
  return `The DNS does not answer for ${type} ${name} (${reason})`;
}
