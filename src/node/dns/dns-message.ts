/**
 * DNS messages as values (RFC 1035, RFC 6891): the one query we ask, and what a server answered, checked. The wire format is
 * dns-packet's; what comes out of it is not trusted: types, names and lengths are looked at again, and nothing throws.
 */
import { Buffer } from "node:buffer";
import packet from "dns-packet";

import { parseIpAddress } from "../../address/ip-address.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { RecordType, RecordTypes } from "../../ports/resolver.ts";

/** As much as crosses any network in one piece (DNS flag day 2020). */
const udpPayloadBytes = 1232;
/** RFC 1035 §2.3.4. */
const nameBytesMax = 253;
const labelBytesMax = 63;
/** RFC 2181 §8: a TTL with the highest bit set counts as zero. */
const ttlSecondsMax = 2 ** 31 - 1;

export const ResponseCode = { noError: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4 } as const;

export interface Question {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: RecordType;
}

/** One record of the answer section, with its data as dns-packet gives it. */
interface RawRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: unknown;
}

export interface Reply {
  /** With the upper bits of EDNS (RFC 6891 §6.1.3). */
  readonly responseCode: number;
  readonly authenticated: boolean;
  readonly answers: readonly RawRecord[];
  /** It answers nothing and tells who else might: a server that does not do what we ask of it (RFC 2308 §2.1). */
  readonly isReferral: boolean;
  /** How long a negative answer may be kept (RFC 2308 §5); absent where the server does not say. */
  readonly negativeTtlSeconds?: number;
  readonly octets: number;
}

export type Reading =
  /** Another id or question: someone else's, or a forgery. Ignored. */
  | { readonly kind: "foreign" }
  | { readonly kind: "truncated" }
  | { readonly kind: "broken"; readonly reason: string }
  | { readonly kind: "reply"; readonly reply: Reply };

/** Whether a name can stand in a query at all. */
export function isQueryable(name: string): boolean {
  if (name.length === 0 || name.length > nameBytesMax) return false;
  return name.split(".").every((label) => /^[\x21-\x7e]+$/.test(label) && label.length <= labelBytesMax);
}

/** `dnssec` asks for the AD bit (RFC 6840 §5.7) and, for resolvers that give it only then, for signatures. */
export function encodeQuery(id: number, question: Question, edns: { readonly dnssec: boolean } | undefined): Buffer {
  const ad = edns?.dnssec === true ? packet.AUTHENTIC_DATA : 0;
  return packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED | ad,
    questions: [{ name: question.name, type: question.type, class: "IN" }],
    additionals:
      edns === undefined
        ? []
        : [
            {
              type: "OPT",
              name: ".",
              udpPayloadSize: udpPayloadBytes,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: edns.dnssec ? packet.DNSSEC_OK : 0,
              flag_do: edns.dnssec,
              options: [],
            },
          ],
  });
}

/** Reads what a server sent in answer to `question` under `id`. */
export function readReply(bytes: Buffer, id: number, question: Question): Reading {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id || (bytes.readUInt8(2) & 0x80) === 0) {
    return { kind: "foreign" };
  }
  if ((bytes.readUInt8(2) & 0x02) !== 0) return { kind: "truncated" };
  if (!holdsItsCounts(bytes)) return { kind: "broken", reason: "the answer claims more records than it can hold" };
  const lowCode = bytes.readUInt8(3) & 0x0f;
  let decoded: packet.DecodedPacket;
  try {
    decoded = packet.decode(bytes);
  } catch (error) {
    return { kind: "broken", reason: `unreadable answer: ${(error as Error).message}` };
  }
  // A server that could not read the query, or will not answer it, need not repeat the question.
  const unasked = decoded.questions?.length === 0 && lowCode !== ResponseCode.noError;
  if (!unasked && !repeats(decoded, question)) return { kind: "foreign" };
  const opt = decoded.additionals?.find((record) => record.type === "OPT");
  const highCode = opt?.type === "OPT" ? opt.extendedRcode : 0;
  const negativeTtlSeconds = negativeTtl(decoded);
  return {
    kind: "reply",
    reply: {
      responseCode: lowCode | (highCode << 4),
      authenticated: decoded.flag_ad,
      answers: (decoded.answers ?? []).flatMap(rawRecord),
      isReferral: isReferral(decoded),
      ...(negativeTtlSeconds !== undefined && { negativeTtlSeconds }),
      octets: bytes.length,
    },
  };
}

/** Whether there is room for the questions and records that the header claims; the parser would make lists of that length first. */
function holdsItsCounts(bytes: Buffer): boolean {
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  // The shortest name is one octet; type and class follow it, and of a record TTL and length (RFC 1035 §4.1).
  return 12 + bytes.readUInt16BE(4) * 5 + records * 11 <= bytes.length;
}

/** What the answer section holds for a name, CNAMEs followed (RFC 1034 §3.6.2). `end`: nothing at the end of the chain. */
export type Chain<T extends RecordType> =
  | { readonly kind: "records"; readonly records: RecordTypes[T][]; readonly name: string; readonly ttlSeconds: number }
  | { readonly kind: "end"; readonly name: string; readonly links: number; readonly ttlSeconds: number }
  | { readonly kind: "too-long" };

export function followChain<T extends RecordType>(reply: Reply, name: string, type: T, linksMax: number): Chain<T> {
  let owner = name;
  let ttlSeconds = ttlSecondsMax;
  for (let links = 0; links <= linksMax; links++) {
    const ofOwner = reply.answers.filter((record) => record.name === owner);
    const wanted = ofOwner.filter((record) => record.type === type);
    if (wanted.length > 0) {
      const records = wanted.flatMap(({ data }) => readers[type](data) ?? []);
      for (const { ttl } of wanted) ttlSeconds = Math.min(ttlSeconds, ttl);
      return { kind: "records", records, name: owner, ttlSeconds };
    }
    const alias = ofOwner.find((record) => record.type === "CNAME");
    const target = alias === undefined ? undefined : readers.CNAME(alias.data);
    if (alias === undefined || target === undefined) return { kind: "end", name: owner, links, ttlSeconds };
    ttlSeconds = Math.min(ttlSeconds, alias.ttl);
    owner = target;
  }
  return { kind: "too-long" };
}

/** From dns-packet's data to ours; undefined for what is no such thing. */
const readers: { readonly [T in RecordType]: (data: unknown) => RecordTypes[T] | undefined } = {
  A: readAddress,
  AAAA: readAddress,
  MX: (data) => {
    const { preference, exchange } = (data ?? {}) as { preference?: unknown; exchange?: unknown };
    const name = readName(exchange);
    return typeof preference === "number" && name !== undefined ? { preference, exchange: name } : undefined;
  },
  TXT: (data) => {
    const strings = Array.isArray(data) ? (data as unknown[]) : [data];
    return Buffer.concat(strings.filter((part) => part instanceof Uint8Array)).toString("utf8");
  },
  PTR: readName,
  CNAME: readName,
  TLSA: (data) => {
    const { usage, selector, matchingType, certificate } = (data ?? {}) as Record<string, unknown>;
    if (typeof usage !== "number" || typeof selector !== "number" || typeof matchingType !== "number") return undefined;
    return certificate instanceof Uint8Array
      ? { usage, selector, matching: matchingType, data: Uint8Array.from(certificate) }
      : undefined;
  },
};

function readAddress(data: unknown): string | undefined {
  return typeof data === "string" ? parseIpAddress(data)?.text : undefined;
}

/** "" for the root. */
function readName(data: unknown): string | undefined {
  return typeof data === "string" ? asciiLowerCase(data).replace(/\.$/, "") : undefined;
}

function rawRecord(record: packet.Answer): RawRecord[] {
  if (record.type === "OPT" || record.class !== "IN") return [];
  const name = readName(record.name) ?? "";
  return [{ name, type: record.type, ttl: seconds(record.ttl), data: record.data }];
}

function repeats({ questions = [] }: packet.DecodedPacket, question: Question): boolean {
  const [first] = questions;
  return (
    questions.length === 1 &&
    first?.type === question.type &&
    first.class === "IN" &&
    readName(first.name) === question.name
  );
}

/** Told from an empty answer by the SOA record that goes with one (RFC 2308 §2.2), and by who may give one. */
function isReferral({ answers = [], authorities = [], flag_aa, flag_ra }: packet.DecodedPacket): boolean {
  const types = new Set<string>(authorities.map(({ type }) => type));
  return answers.length === 0 && types.has("NS") && !types.has("SOA") && !flag_aa && !flag_ra;
}

function negativeTtl({ authorities = [] }: packet.DecodedPacket): number | undefined {
  const soa = authorities.find((record) => record.type === "SOA");
  if (soa?.type !== "SOA") return undefined;
  return Math.min(seconds(soa.ttl), seconds(soa.data.minimum));
}

function seconds(ttl: number | undefined): number {
  return ttl === undefined || ttl > ttlSecondsMax ? 0 : ttl;
}
