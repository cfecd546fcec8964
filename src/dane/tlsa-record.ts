/**
 * TLSA records (RFC 6698 §2): their octets and their text, which of them SMTP can use (RFC 7672 §3.1), and which count
 * when several digests are published (RFC 7671 §9).
 */
import { Buffer } from "node:buffer";
import type { TlsaRecord } from "../ports/resolver.ts";

/** Certificate usages (RFC 7218 §2.1). */
export const Usage = { pkixTa: 0, pkixEe: 1, daneTa: 2, daneEe: 3 } as const;
/** What of the certificate the data stands for (RFC 7218 §2.2). */
export const Selector = { certificate: 0, publicKey: 1 } as const;
/** How it stands for that (RFC 7218 §2.3). */
export const Matching = { full: 0, sha256: 1, sha512: 2 } as const;

/** A record that SMTP can use: its numbers are known and its data can fit something. */
export interface UsableTlsa extends TlsaRecord {
  readonly usage: 2 | 3;
  readonly selector: 0 | 1;
  readonly matching: 0 | 1 | 2;
}

/** A record holds 64 KB at most, which are twice as many digits; the rest is room for white space. */
const textLengthMax = 140_000;
/** RFC 6698 §2.2: three decimal numbers, then hexadecimal digits, in which white space is allowed. */
const textPattern = /^(\d{1,3})[ \t]+(\d{1,3})[ \t]+(\d{1,3})[ \t]+([\dA-Fa-f][\dA-Fa-f \t]*)$/;

/** Undefined for what is no TLSA record. Any number up to 255 is taken: whether it can be used is another question. */
export function parseTlsaText(text: string): TlsaRecord | undefined {
  if (text.length > textLengthMax) return undefined;
  const [, usage, selector, matching, digits = ""] = textPattern.exec(text) ?? [];
  const hex = digits.replaceAll(/[ \t]/g, "");
  const numbers = [usage, selector, matching].map(Number);
  if (hex.length === 0 || hex.length % 2 !== 0 || !numbers.every((number) => number <= 255)) return undefined;
  const [first = 0, second = 0, third = 0] = numbers;
  return { usage: first, selector: second, matching: third, data: Uint8Array.from(Buffer.from(hex, "hex")) };
}

/** The octets of a record's data in the DNS (RFC 6698 §2.1); undefined when they are too few for its three numbers. */
export function parseTlsaData(octets: Uint8Array): TlsaRecord | undefined {
  const [usage, selector, matching] = octets;
  if (usage === undefined || selector === undefined || matching === undefined) return undefined;
  return { usage, selector, matching, data: octets.slice(3) };
}

/** As a zone file has it, without the owner: `3 1 1 ab…`. */
export function formatTlsa({ usage, selector, matching, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matching} ${Buffer.from(data).toString("hex")}`;
}

/** Why SMTP cannot use the record, as the end of a sentence; undefined: it can. */
export function tlsaFaultOf({ usage, selector, matching, data }: TlsaRecord): string | undefined {
  // RFC 7672 §3.1.3: PKIX-TA(0) and PKIX-EE(1) are not for SMTP.
  if (usage !== Usage.daneTa && usage !== Usage.daneEe)
    return `usage ${usage} is not for mail; DANE-EE(3) is the usual one`;
  if (selector > Selector.publicKey) return `selector ${selector} is not known`;
  if (matching > Matching.sha512) return `matching type ${matching} is not known`;
  const octets = [undefined, 32, 64][matching];
  if (octets !== undefined && data.length !== octets)
    return `its digest has ${data.length} octets in place of ${octets}`;
  return data.length === 0 ? "it has no data" : undefined;
}

/**
 * The records that count, in their order: those that can be used and, of each usage and selector, only the strongest digest
 * beside the ones with the whole value (RFC 7671 §9, required by RFC 7672 §5). So a broken SHA-256 could not be used
 * against a domain that publishes SHA-512, too. A digest that cannot be used does not count as the strongest.
 */
export function usableRecords(records: readonly TlsaRecord[]): readonly UsableTlsa[] {
  const usable = records.filter(isUsable);
  const strongest: number[] = [];
  for (const record of usable) {
    strongest[placeOf(record)] = Math.max(strongest[placeOf(record)] ?? Matching.full, record.matching);
  }
  return usable.filter((record) => record.matching === Matching.full || record.matching === strongest[placeOf(record)]);
}

function placeOf({ usage, selector }: UsableTlsa): number {
  return (usage - Usage.daneTa) * 2 + selector;
}

function isUsable(record: TlsaRecord): record is UsableTlsa {
  return tlsaFaultOf(record) === undefined;
}
