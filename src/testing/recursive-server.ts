/**
 * A recursive DNS server as those see it who ask it: it looks into the zones, keeps what it finds for its TTL, and tells
 * what is left of that, so that for a while it goes on telling what has been changed there. Owns the content of answers;
 * whether and when they arrive is its caller's matter.
 */
import type { Answer } from "dns-packet";

import type { RecordType, RecordTypes } from "../ports/resolver.ts";

/** What the authoritative servers of the world say. */
export interface Zones {
  /** Of the name itself; undefined: no such name. */
  recordsOf(name: string): { readonly [T in RecordType]?: readonly RecordTypes[T][] } | undefined;
  ttlSecondsOf(name: string): number;
  /** Its servers do not answer those who ask for it. */
  isFailing(name: string): boolean;
}

export interface Content {
  readonly responseCode: number;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  /** Something had to be asked for. */
  readonly isNew: boolean;
}

/** Records of one name and type, or that there are none, as they were found. */
interface KnownSet {
  readonly kind: "records" | "alias" | "no-data" | "no-name";
  readonly answers: readonly ((ttl: number) => Answer)[];
  /** Where an alias leads. */
  readonly target: string;
  readonly expiresAtMs: number;
}

/** As long as servers keep it that there is nothing. */
const negativeTtlSeconds = 60;
/** Then it is a loop. */
const linksMax = 16;
const serverFailure = 2;
const noSuchName = 3;

export class RecursiveServer {
  /** Otherwise it tells where an alias leads, and leaves the rest to who asks. */
  readonly #followsAliases: boolean;
  readonly #zones: Zones;
  readonly #known = new Map<string, KnownSet>();

  constructor(zones: Zones, options: { readonly followsAliases: boolean }) {
    this.#zones = zones;
    this.#followsAliases = options.followsAliases;
  }

  answer(name: string, type: RecordType, nowMs: number): Content {
    const answers: Answer[] = [];
    let owner = name.toLowerCase();
    let isNew = false;
    for (let links = 0; links <= linksMax; links++) {
      const kept = this.#known.get(`${type} ${owner}`);
      const isKept = kept !== undefined && kept.expiresAtMs > nowMs;
      isNew ||= !isKept;
      if (!isKept && this.#zones.isFailing(owner)) return failed(isNew);
      const set = isKept ? kept : this.#find(owner, type, nowMs);
      const ttl = Math.ceil((set.expiresAtMs - nowMs) / 1000);
      answers.push(...set.answers.map((answer) => answer(ttl)));
      switch (set.kind) {
        case "records":
          return { responseCode: 0, answers, authorities: [], isNew };
        case "no-data":
        case "no-name": {
          const responseCode = set.kind === "no-name" ? noSuchName : 0;
          return { responseCode, answers, authorities: [startOfAuthority(ttl)], isNew };
        }
        case "alias":
          if (!this.#followsAliases) return { responseCode: 0, answers, authorities: [], isNew };
          owner = set.target;
          break;
        default:
          set.kind satisfies never;
      }
    }
    return failed(isNew);
  }

  /** Forgets everything, as when it is started anew. */
  forget(): void {
    this.#known.clear();
  }

  #find(owner: string, type: RecordType, nowMs: number): KnownSet {
    const zone = this.#zones.recordsOf(owner);
    const positive = nowMs + this.#zones.ttlSecondsOf(owner) * 1000;
    const target = zone?.CNAME?.[0]?.toLowerCase() ?? "";
    const found = (type in (zone ?? {}) ? type : "CNAME") satisfies RecordType;
    const answers = zone?.[found] === undefined ? [] : answersOf(owner, found, zone[found]);
    const kind = answers.length > 0 ? (found === type ? "records" : "alias") : zone ? "no-data" : "no-name";
    const expiresAtMs = answers.length > 0 ? positive : nowMs + negativeTtlSeconds * 1000;
    const set: KnownSet = { kind, answers, target, expiresAtMs };
    this.#known.set(`${type} ${owner}`, set);
    return set;
  }
}

function failed(isNew: boolean): Content {
  return { responseCode: serverFailure, answers: [], authorities: [], isNew };
}

/** What a server that does not do what it is asked, and does not say so, gives instead: who else to ask (RFC 2308 §2.1). */
export function referral(): Pick<Content, "responseCode" | "answers" | "authorities"> {
  return { responseCode: 0, answers: [], authorities: [{ type: "NS", name: ".", ttl: 518_400, data: "a.root.test" }] };
}

function startOfAuthority(ttl: number): Answer {
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: negativeTtlSeconds };
  return { type: "SOA", name: "test", ttl, data: { mname: "ns.test", rname: "hostmaster.test", ...times } };
}

function answersOf<T extends RecordType>(
  name: string,
  type: T,
  records: readonly RecordTypes[T][],
): KnownSet["answers"] {
  return records.map((record) => (ttl) => writers[type]({ name, ttl, class: "IN" }, record));
}

interface Head {
  readonly name: string;
  readonly ttl: number;
  readonly class: "IN";
}

/** Into what dns-packet writes. */
const writers: { readonly [T in RecordType]: (head: Head, data: RecordTypes[T]) => Answer } = {
  A: (head, data) => ({ ...head, type: "A", data }),
  AAAA: (head, data) => ({ ...head, type: "AAAA", data }),
  MX: (head, { preference, exchange }) => ({ ...head, type: "MX", data: { preference, exchange: `${exchange}.` } }),
  TXT: (head, data) => ({ ...head, type: "TXT", data: data.match(/[\s\S]{1,200}/g) ?? [""] }),
  PTR: (head, data) => ({ ...head, type: "PTR", data }),
  CNAME: (head, data) => ({ ...head, type: "CNAME", data }),
  TLSA: (head, { usage, selector, matching, data }) => ({
    ...head,
    type: "TLSA",
    data: { usage, selector, matchingType: matching, certificate: Buffer.from(data) },
  }),
};
