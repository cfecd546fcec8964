/**
 * A domain's SPF record with all that it includes and redirects to, as a tree with the look-ups counted: what an evaluation
 * that matches nothing would cost (RFC 7208 §4.6.4). For people who look after the record; mail is judged by spf.ts.
 */
import type { DnsAnswer, RecordType, Resolver } from "../ports/resolver.ts";
import { identityDomainOf } from "./dns-name.ts";
import { expandName, type MacroString, type MacroValues } from "./macro.ts";
import { readSpfRecord } from "./record-cache.ts";
import { isSpfRecord, type Directive, type QualifierResult, type SpfRecord } from "./record.ts";

/** Queries for one tree. Twice what the largest valid record takes with its hosts; a record beyond is cut short, and said so. */
const queriesMax = 250;
/** No valid record nests deeper: each level takes one of ten look-ups. */
const depthMax = 11;
/** Addresses and hosts listed of one term. */
const foundMax = 50;

export interface SpfDescription {
  readonly domain: string;
  readonly state: "valid" | "invalid" | "several" | "none" | "no-name" | "failure";
  /** Every record with `v=spf1`, as published. */
  readonly records: readonly string[];
  readonly terms: readonly SpfTermDescription[];
  /** What `all` says, here or after the redirect; undefined if there is none. */
  readonly otherwise: QualifierResult | undefined;
  /** DNS terms, those below included. */
  readonly lookups: number;
  /** Terms whose name has no records, those below included. */
  readonly voidLookups: number;
  /** What is wrong here, in sentences; what is wrong below stands there. */
  readonly problems: readonly string[];
}

export interface SpfTermDescription {
  /** As published. */
  readonly text: string;
  readonly kind: Directive["kind"] | "redirect";
  readonly lookups: number;
  readonly voidLookups: number;
  /** Addresses of `a`, hosts of `mx`. */
  readonly found: readonly string[];
  /** The name depends on the message, so nobody can look below. */
  readonly varies: boolean;
  readonly below?: SpfDescription;
}

/** `domain` may be in U-labels. Asks at most 250 queries. */
export async function describeSpf(resolver: Resolver, domain: string): Promise<SpfDescription> {
  const name = identityDomainOf(domain);
  if (name === undefined) return emptyDescription(domain, "no-name", `"${domain}" is not a domain name`);
  return new Describer(resolver).describe(name, []);
}

/** This description and all below it, parents first. */
export function allDescriptions(root: SpfDescription): SpfDescription[] {
  const found = [root];
  // Grows while it is walked.
  for (const description of found) {
    for (const { below } of description.terms) if (below !== undefined) found.push(below);
  }
  return found;
}

class Describer {
  readonly #resolver: Resolver;
  #queries = 0;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** `path`: the domains on the way here. */
  async describe(domain: string, path: readonly string[]): Promise<SpfDescription> {
    if (path.includes(domain)) return emptyDescription(domain, "invalid", `${domain} includes itself, without end`);
    if (path.length >= depthMax) return emptyDescription(domain, "invalid", `${domain} is nested too deep to count`);
    const answer = await this.#query(domain, "TXT");
    switch (answer.kind) {
      case "failure":
        return emptyDescription(domain, "failure", `the DNS did not answer for ${domain} (${answer.reason})`);
      case "no-name":
        return emptyDescription(domain, "no-name", `${domain} does not exist in the DNS`);
      case "no-data":
        return emptyDescription(domain, "none", `${domain} publishes no SPF record`);
      case "records":
        break;
      default:
        return answer satisfies never;
    }
    const records = answer.records.filter(isSpfRecord);
    const [text] = records;
    if (text === undefined) return emptyDescription(domain, "none", `${domain} publishes no SPF record`);
    if (records.length > 1) {
      const problem = `${domain} publishes ${records.length} SPF records; receivers treat that as a permanent error`;
      return { ...emptyDescription(domain, "several", problem), records };
    }
    const record = readSpfRecord(text);
    if ("problem" in record) return { ...emptyDescription(domain, "invalid", record.problem), records };
    return this.#describeRecord(domain, text, record, [...path, domain]);
  }

  async #describeRecord(
    domain: string,
    text: string,
    record: SpfRecord,
    path: readonly string[],
  ): Promise<SpfDescription> {
    const terms: SpfTermDescription[] = [];
    const problems: string[] = [];
    let otherwise: QualifierResult | undefined;
    for (const directive of record.directives) {
      if (otherwise !== undefined) {
        problems.push(`"${directive.text}" comes after "all" and is never evaluated`);
        break;
      }
      terms.push(await this.#describeTerm(directive, domain, path));
      if (directive.kind === "all") otherwise = directive.result;
      if (directive.kind === "ptr") problems.push(`"${directive.text}" should not be used (RFC 7208 §5.5)`);
    }
    const ignored = otherwise === undefined ? undefined : / (redirect=[^ ]*)/i.exec(text)?.[1];
    if (ignored !== undefined) problems.push(`"${ignored}" is never evaluated, because the record also has "all"`);
    if (record.redirect !== undefined) {
      const { text: modifier, target } = record.redirect;
      const redirect = await this.#describeTarget({ text: modifier, kind: "redirect", target }, domain, path);
      terms.push(redirect);
      otherwise = redirect.below?.otherwise;
    }
    const sum = (of: "lookups" | "voidLookups"): number => terms.reduce((total, term) => total + term[of], 0);
    const lookups = sum("lookups");
    return {
      domain,
      state: "valid",
      records: [text],
      terms,
      otherwise,
      lookups,
      voidLookups: sum("voidLookups"),
      problems,
    };
  }

  async #describeTerm(directive: Directive, domain: string, path: readonly string[]): Promise<SpfTermDescription> {
    const { text, kind } = directive;
    switch (kind) {
      case "all":
      case "ip4":
      case "ip6":
        return { text, kind, lookups: 0, voidLookups: 0, found: [], varies: false };
      case "ptr":
        return { text, kind, lookups: 1, voidLookups: 0, found: [], varies: true };
      case "include":
      case "a":
      case "mx":
      case "exists":
        return this.#describeTarget({ text, kind, target: directive.target }, domain, path);
      default:
        return kind satisfies never;
    }
  }

  async #describeTarget(
    term: {
      readonly text: string;
      readonly kind: "include" | "redirect" | "a" | "mx" | "exists";
      readonly target: MacroString | undefined;
    },
    domain: string,
    path: readonly string[],
  ): Promise<SpfTermDescription> {
    const { text, kind, target } = term;
    const plain = { text, kind, lookups: 1, voidLookups: 0, found: [], varies: false };
    if (target?.variesBySender === true) return { ...plain, lookups: target.usesClientName ? 2 : 1, varies: true };
    const name = target === undefined ? domain : expandName(target, domain, nobody);
    if (kind === "include" || kind === "redirect") {
      const next = name === undefined ? undefined : identityDomainOf(name);
      const below =
        next === undefined
          ? emptyDescription(name ?? text, "no-name", `"${text}" does not lead to a domain`)
          : await this.describe(next, path);
      return { ...plain, lookups: 1 + below.lookups, voidLookups: below.voidLookups, below };
    }
    if (name === undefined) return plain;
    const { found, isVoid } = kind === "mx" ? await this.#hosts(name) : await this.#addresses(name, kind === "exists");
    return { ...plain, voidLookups: isVoid ? 1 : 0, found: found.slice(0, foundMax) };
  }

  async #hosts(name: string): Promise<{ found: readonly string[]; isVoid: boolean }> {
    const answer = await this.#query(name, "MX");
    if (answer.kind === "records") return { found: answer.records.map(({ exchange }) => exchange), isVoid: false };
    return { found: [], isVoid: answer.kind !== "failure" };
  }

  async #addresses(name: string, onlyIpv4: boolean): Promise<{ found: readonly string[]; isVoid: boolean }> {
    const answers = [await this.#query(name, "A"), ...(onlyIpv4 ? [] : [await this.#query(name, "AAAA")])];
    const found = answers.flatMap((answer) => (answer.kind === "records" ? answer.records : []));
    return { found, isVoid: found.length === 0 && answers.every(({ kind }) => kind !== "failure") };
  }

  #query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    this.#queries++;
    if (this.#queries <= queriesMax) return this.#resolver.query(name, type);
    return Promise.resolve({ kind: "failure", reason: `not asked after ${queriesMax} queries` });
  }
}

function emptyDescription(domain: string, state: SpfDescription["state"], problem: string): SpfDescription {
  return {
    domain,
    state,
    records: [],
    terms: [],
    otherwise: undefined,
    lookups: 0,
    voidLookups: 0,
    problems: [problem],
  };
}

/** For targets that use `%{d}` at most. */
const nobody: MacroValues = {
  localPart: "",
  senderDomain: "",
  client: { family: 4, octets: Uint8Array.of(0, 0, 0, 0), number: 0, text: "0.0.0.0" },
  hello: "",
  clientName: () => "unknown",
  receiverName: "",
  now: 0,
};
