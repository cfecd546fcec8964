/**
 * One run of check_host() (RFC 7208 §4.6–§6.1): the records of a domain and of what it includes and redirects to, until
 * something matches. It counts what it asks of the DNS, and never asks more than §4.6.4 allows: at most 10 terms with a
 * query, each followed by at most 10 address queries, and one PTR query for the client with at most 10 more. That bounds
 * the depth of includes too, and so the recursion.
 *
 * A void look-up (RFC 7208 §4.6.4) is counted once for a term: when its own query finds nothing, or when none of the hosts
 * that an `mx` names exists. Hosts that merely lack an address of the client's family are not held against the domain.
 */
import { asciiLowerCase, hasNonAscii } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { DnsAnswer, MxRecord, RecordType, Resolver } from "../ports/resolver.ts";
import { prefixEquals, reverseName, sharesPrefix, type SpfClient } from "./client-address.ts";
import { identityDomainOf, isWithin } from "./dns-name.ts";
import { expandName, type MacroString, type MacroValues } from "./macro.ts";
import { readSpfRecord } from "./record-cache.ts";
import { isSpfRecord, type AddressDirective, type Directive, type Exists, type Ptr, type SpfRecord } from "./record.ts";
import { quoted, type SpfVerdict } from "./verdict.ts";

/** RFC 7208 §4.6.4. */
export const lookupsMax = 10;
export const voidLookupsMax = 2;
/** Names whose addresses are asked for, of one `mx` and of the client's PTR records. */
const hostsMax = 10;

export interface EvaluationInput {
  readonly client: SpfClient;
  readonly localPart: string;
  readonly senderDomain: string;
  readonly hello: string;
  readonly receiverName: string;
  readonly resolver: Resolver;
  readonly now: Instant;
  readonly signal?: AbortSignal | undefined;
}

/** Match, no match, or the error that ends the evaluation. */
type Match = boolean | SpfVerdict;

export class Evaluation implements MacroValues {
  readonly client: SpfClient;
  readonly localPart: string;
  readonly senderDomain: string;
  readonly hello: string;
  readonly receiverName: string;
  readonly now: Instant;
  readonly #resolver: Resolver;
  readonly #queryOptions: { readonly signal: AbortSignal } | undefined;
  /** DNS terms, never more than {@link lookupsMax}. */
  lookups = 0;
  /** One more than {@link voidLookupsMax} when that was what ended it. */
  voidLookups = 0;
  /** Names of the client that lead back to it (RFC 7208 §5.5); undefined before they were asked for. */
  #clientNames: readonly string[] | undefined;
  /** There were no PTR records. */
  #clientNamesVoid = false;

  constructor(input: EvaluationInput) {
    this.client = input.client;
    this.localPart = input.localPart;
    this.senderDomain = input.senderDomain;
    this.hello = input.hello;
    this.receiverName = input.receiverName;
    this.now = input.now;
    this.#resolver = input.resolver;
    this.#queryOptions = input.signal && { signal: input.signal };
  }

  /** `domain`: as {@link identityDomainOf} gives it. */
  async checkHost(domain: string): Promise<SpfVerdict> {
    const record = this.#recordIn(await this.#query(domain, "TXT"), domain);
    if ("result" in record) return record;
    for (const directive of record.directives) {
      let included: SpfVerdict | undefined;
      let match: Match;
      switch (directive.kind) {
        case "all":
          match = true;
          break;
        case "ip4":
          match = this.client.family === 4 && ((this.client.number ^ directive.network) & directive.mask) === 0;
          break;
        case "ip6":
          match =
            this.client.family === 6 && prefixEquals(this.client.octets, directive.network, directive.prefixLength);
          break;
        case "include": {
          if (this.#cannotExpand(directive.target)) continue;
          const inner = await this.#follow(directive.text, directive.target, domain);
          if (inner.result === "temperror" || inner.result === "permerror") return inner;
          match = inner.result === "pass";
          included = inner;
          break;
        }
        default:
          match = await this.#matches(directive, domain);
      }
      if (match === false) continue;
      if (match !== true) return match;
      const { result } = directive;
      const explanation = result === "fail" ? record.explanation : undefined;
      return included === undefined
        ? { result, domain, directive, explanation }
        : { result, domain, directive, included, explanation };
    }
    if (record.redirect === undefined) return { result: "neutral", domain };
    return this.#follow(record.redirect.text, record.redirect.target, domain);
  }

  clientName(domain: string): string {
    const names = this.#clientNames ?? [];
    const name =
      names.find((candidate) => asciiLowerCase(candidate) === asciiLowerCase(domain)) ??
      names.find((candidate) => isWithin(candidate, domain)) ??
      names[0];
    return name ?? "unknown";
  }

  /** Must come before an expansion that uses `%{p}`. Asks the DNS once in an evaluation. */
  async findClientNames(): Promise<readonly string[]> {
    return (this.#clientNames ??= await this.#validatedNames());
  }

  /** The records at `name`, without any count. */
  explanationRecords(name: string): Promise<DnsAnswer<"TXT">> {
    return this.#query(name, "TXT");
  }

  /** RFC 7208 §4.4, §4.5: the one record of the domain, or what it is that there is none. */
  #recordIn(answer: DnsAnswer<"TXT">, domain: string): SpfRecord | SpfVerdict {
    if (answer.kind === "failure") return this.#failed(domain, "TXT", answer.reason);
    let text: string | undefined;
    for (const candidate of answer.kind === "records" ? answer.records : []) {
      if (!isSpfRecord(candidate)) continue;
      if (text !== undefined) {
        const problem = `${quoted(domain)} publishes more than one SPF record; only one may begin with v=spf1`;
        return { result: "permerror", domain, problem };
      }
      text = candidate;
    }
    if (text === undefined) {
      const problem = answer.kind === "no-name" ? "does not exist in the DNS" : "publishes no SPF record";
      return { result: "none", domain, missing: true, problem: `${quoted(domain)} ${problem}` };
    }
    const record = readSpfRecord(text);
    if (!("problem" in record)) return record;
    const problem = `the SPF record of ${quoted(domain)} is not valid: ${record.problem}`;
    return { result: "permerror", domain, problem };
  }

  /** Include and redirect: the record of another domain, which must have one (RFC 7208 §5.2, §6.1). */
  async #follow(term: string, target: MacroString, domain: string): Promise<SpfVerdict> {
    const refusal =
      this.#countLookup(term, domain) ?? (target.usesClientName ? await this.#prepare(term, domain) : undefined);
    if (refusal !== undefined) return refusal;
    const name = this.#cannotExpand(target) ? undefined : expandName(target, domain, this);
    const next = name === undefined ? undefined : identityDomainOf(name);
    if (next === undefined) {
      const problem = `${quoted(term)} in the record of ${quoted(domain)} does not lead to a domain`;
      return { result: "permerror", domain, problem };
    }
    const verdict = await this.checkHost(next);
    if (verdict.missing === undefined) return verdict;
    const problem = `${quoted(term)} in the record of ${quoted(domain)} leads nowhere: ${verdict.problem}`;
    return { result: "permerror", domain, problem };
  }

  async #matches(directive: AddressDirective | Exists | Ptr, domain: string): Promise<Match> {
    const { target, text } = directive;
    if (target !== undefined && this.#cannotExpand(target)) return false;
    const refusal = this.#countLookup(text, domain);
    if (refusal !== undefined) return refusal;
    if (target?.usesClientName === true) {
      const tooMany = await this.#prepare(text, domain);
      if (tooMany !== undefined) return tooMany;
    }
    const name = target === undefined ? domain : expandName(target, domain, this);
    if (name === undefined) return false;
    switch (directive.kind) {
      case "a": {
        const answer = await this.#addresses(name);
        if (answer.kind === "records") return this.#isAmong(answer.records, directive);
        return this.#withoutRecords(answer, name, domain, directive);
      }
      case "exists": {
        const answer = await this.#query(name, "A");
        return answer.kind === "records" ? true : this.#withoutRecords(answer, name, domain, directive);
      }
      case "mx":
        return this.#matchesMx(directive, name, domain);
      case "ptr":
        return this.#matchesPtr(directive, name, domain);
      default:
        return directive satisfies never;
    }
  }

  async #matchesMx(directive: AddressDirective, name: string, domain: string): Promise<Match> {
    const answer = await this.#query(name, "MX");
    if (answer.kind !== "records") return this.#withoutRecords(answer, name, domain, directive);
    const hosts = inOrder(answer.records);
    const answers = await Promise.all(hosts.slice(0, hostsMax).map((host) => this.#addresses(host)));
    for (const address of answers) {
      if (address.kind === "records" && this.#isAmong(address.records, directive)) return true;
    }
    if (hosts.length > hostsMax) {
      const problem = `${quoted(directive.text)} in the record of ${quoted(domain)} names more than ${hostsMax} mail hosts`;
      return { result: "permerror", domain, problem: `${problem} (RFC 7208 §4.6.4)` };
    }
    for (const [index, address] of answers.entries()) {
      if (address.kind === "failure") return this.#failed(hosts[index] ?? name, this.#addressType, address.reason);
    }
    const nobody = answers.length > 0 && answers.every((address) => address.kind === "no-name");
    return nobody ? (this.#countVoid(directive.text, domain) ?? false) : false;
  }

  async #matchesPtr(directive: Ptr, name: string, domain: string): Promise<Match> {
    const asked = this.#clientNames === undefined;
    const names = await this.findClientNames();
    if (names.some((candidate) => isWithin(candidate, name))) return true;
    return asked && this.#clientNamesVoid ? (this.#countVoid(directive.text, domain) ?? false) : false;
  }

  /** RFC 7208 §5.5: errors of any kind only make names fewer. */
  async #validatedNames(): Promise<readonly string[]> {
    const answer = await this.#query(reverseName(this.client), "PTR");
    if (answer.kind !== "records") {
      this.#clientNamesVoid = answer.kind !== "failure";
      return [];
    }
    const names = answer.records.slice(0, hostsMax).map((name) => (name.endsWith(".") ? name.slice(0, -1) : name));
    const answers = await Promise.all(names.map((name) => this.#addresses(name)));
    const whole = this.client.octets.length * 8;
    return names.filter((_, index) => {
      const addresses = answers[index];
      return (
        addresses?.kind === "records" && addresses.records.some((address) => sharesPrefix(this.client, address, whole))
      );
    });
  }

  /** `%{p}` in a term costs a PTR query, which counts (RFC 7208 §4.6.4), though only the first time. */
  async #prepare(term: string, domain: string): Promise<SpfVerdict | undefined> {
    if (this.#clientNames !== undefined) return undefined;
    const refusal = this.#countLookup(term, domain);
    if (refusal === undefined) await this.findClientNames();
    return refusal;
  }

  /** RFC 8616 §4: a local-part that is not ASCII makes no names, escaped neither. */
  #cannotExpand(target: MacroString): boolean {
    return target.usesLocalPart && hasNonAscii(this.localPart);
  }

  #isAmong(addresses: readonly string[], directive: AddressDirective): boolean {
    const prefixLength = this.client.family === 4 ? directive.prefixLength4 : directive.prefixLength6;
    for (const address of addresses) if (sharesPrefix(this.client, address, prefixLength)) return true;
    return false;
  }

  /** What a term's own query without records means. */
  #withoutRecords(answer: DnsAnswer<RecordType>, name: string, domain: string, directive: Directive): Match {
    if (answer.kind === "failure")
      return this.#failed(name, directive.kind === "mx" ? "MX" : this.#addressType, answer.reason);
    return this.#countVoid(directive.text, domain) ?? false;
  }

  #countLookup(term: string, domain: string): SpfVerdict | undefined {
    if (this.lookups < lookupsMax) {
      this.lookups++;
      return undefined;
    }
    const problem = `too many DNS look-ups: ${quoted(term)} in the record of ${quoted(domain)} would be number 11, and 10 are allowed (RFC 7208 §4.6.4)`;
    return { result: "permerror", domain, problem };
  }

  #countVoid(term: string, domain: string): SpfVerdict | undefined {
    this.voidLookups++;
    if (this.voidLookups <= voidLookupsMax) return undefined;
    const problem = `too many names without records: ${quoted(term)} in the record of ${quoted(domain)} is the third, and 2 are allowed (RFC 7208 §4.6.4)`;
    return { result: "permerror", domain, problem };
  }

  #failed(name: string, type: RecordType, reason: string): SpfVerdict {
    const problem = `the DNS did not answer for ${type} ${quoted(name)} (${quoted(reason)}); a later try may succeed`;
    return { result: "temperror", domain: name, problem };
  }

  get #addressType(): "A" | "AAAA" {
    return this.client.family === 4 ? "A" : "AAAA";
  }

  #addresses(name: string): Promise<DnsAnswer<"A" | "AAAA">> {
    return this.#query(name, this.#addressType);
  }

  #query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    return this.#resolver.query(name, type, this.#queryOptions);
  }
}

/** Without null MX records (RFC 7505). More than ten hosts are put in order, so that each run sees the same ten. */
function inOrder(records: readonly MxRecord[]): readonly string[] {
  const named = records.filter(({ exchange }) => exchange !== "" && exchange !== ".");
  const sorted =
    named.length <= hostsMax
      ? named
      : named.toSorted((a, b) => a.preference - b.preference || (a.exchange < b.exchange ? -1 : 1));
  return sorted.map(({ exchange }) => exchange);
}
