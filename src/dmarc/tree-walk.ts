/**
 * The DNS tree walk (RFC 9989 §4.10): which DMARC records stand above a domain, and which domain is its organisation.
 *
 * One {@link DmarcRecords} serves one message, so that walks that meet ask no name twice. A walk asks at most eight names,
 * one after the other, and ends at the first that DNS does not answer: what is above might not count.
 */
import type { Resolver } from "../ports/resolver.ts";
import { isDmarcRecord, type ParsedDmarcRecord } from "./dmarc-record.ts";
import { readDmarcRecord } from "./record-cache.ts";

/** From a domain with more labels the walk goes straight to its last seven (RFC 9989 §4.10 step 4). */
const labelsAfterStart = 7;
/** A name as text (RFC 1035 §2.3.4); what is longer cannot exist. */
const nameLengthMax = 253;

/** The one DMARC record at a name. */
export type StandingRecord = Exclude<ParsedDmarcRecord, { readonly kind: "other" }>;

export type RecordAnswer =
  | { readonly kind: "found"; readonly parsed: StandingRecord }
  /** None, or several, which all count as none (RFC 9989 §4.10 steps 2 and 6). */
  | { readonly kind: "absent" }
  | { readonly kind: "failure"; readonly reason: string };

export interface FoundRecord {
  readonly domain: string;
  readonly parsed: StandingRecord;
}

export interface TreeWalk {
  readonly start: string;
  /** From the longest name to the shortest. */
  readonly found: readonly FoundRecord[];
  /** DNS did not answer for a name; the walk ended there. */
  readonly failure?: string;
}

const absent: RecordAnswer = { kind: "absent" };

/** What stands at `_dmarc` of each name, asked once. */
export class DmarcRecords {
  readonly #resolver: Resolver;
  readonly #answers = new Map<string, Promise<RecordAnswer>>();
  readonly #walks = new Map<string, Promise<TreeWalk>>();

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** `domain`: lower case, A-labels. */
  at(domain: string): Promise<RecordAnswer> {
    let answer = this.#answers.get(domain);
    if (answer === undefined) {
      answer = fetchRecord(this.#resolver, domain);
      this.#answers.set(domain, answer);
    }
    return answer;
  }

  walk(start: string): Promise<TreeWalk> {
    let walk = this.#walks.get(start);
    if (walk === undefined) {
      walk = this.#walk(start);
      this.#walks.set(start, walk);
    }
    return walk;
  }

  async #walk(start: string): Promise<TreeWalk> {
    const found: FoundRecord[] = [];
    for (let domain: string | undefined = start; domain !== undefined; domain = nextTarget(domain)) {
      const answer = await this.at(domain);
      if (answer.kind === "failure") {
        return { start, found, failure: `the record at _dmarc.${domain} could not be looked up: ${answer.reason}` };
      }
      if (answer.kind === "absent") continue;
      found.push({ domain, parsed: answer.parsed });
      if (answer.parsed.record.psd !== "u") break;
    }
    return { start, found };
  }
}

/** Of a walk without failure (RFC 9989 §4.10.2). */
export function organizationalDomainOf({ start, found }: TreeWalk): string {
  for (const { domain, parsed } of found) {
    if (parsed.record.psd === "n") return domain;
    if (parsed.record.psd === "y" && domain !== start) {
      const below = start.slice(0, start.length - domain.length - 1);
      return start.slice(below.lastIndexOf(".") + 1);
    }
  }
  return found.at(-1)?.domain ?? start;
}

function nextTarget(domain: string): string | undefined {
  let dots = 0;
  for (let at = domain.length - 1; at >= 0; at--) {
    if (domain[at] === "." && ++dots === labelsAfterStart) return domain.slice(at + 1);
  }
  return dots === 0 ? undefined : domain.slice(domain.indexOf(".") + 1);
}

async function fetchRecord(resolver: Resolver, domain: string): Promise<RecordAnswer> {
  const name = `_dmarc.${domain}`;
  if (name.length > nameLengthMax) return absent;
  const answer = await resolver.query(name, "TXT");
  switch (answer.kind) {
    case "failure":
      return { kind: "failure", reason: answer.reason };
    case "no-data":
    case "no-name":
      return absent;
    case "records":
      return onlyRecord(answer.records);
    default:
      return answer satisfies never;
  }
}

function onlyRecord(texts: readonly string[]): RecordAnswer {
  const records = texts.filter(isDmarcRecord);
  if (records.length !== 1 || records[0] === undefined) return absent;
  const parsed = readDmarcRecord(records[0]);
  return parsed.kind === "other" ? absent : { kind: "found", parsed };
}
