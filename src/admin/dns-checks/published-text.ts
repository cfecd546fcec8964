/**
 * TXT records as people get them wrong: entered with quotation marks, with backslashes, cut off at 255 characters, or under
 * a name to which the zone editor added the domain once more.
 */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { nearest } from "../../lib/nearest.ts";
import type { Resolver } from "../../ports/resolver.ts";

/** A record's first words, exactly as they must be written. */
export type RecordVersion = "v=spf1" | "v=DMARC1" | "v=DKIM1" | "v=STSv1" | "v=TLSRPTv1";

/** Octets of one string within a TXT record (RFC 1035 §3.3). */
const stringLengthMax = 255;

/** Why a text that is meant to begin with `version` does not count as such a record; undefined: it is another text. */
export function misprintOf(text: string, version: RecordVersion): string | undefined {
  const bare = text.slice(0, 100).replaceAll(/[^\x21-\x7e]|["'\\]/g, "");
  if (!asciiLowerCase(bare).startsWith(asciiLowerCase(version))) return resemblance(text, version);
  if (/^\s*["'\u2018-\u201f]/.test(text)) return "it begins with a quotation mark, which is not part of the record";
  if (/^[^\x21-\x7e]/.test(text)) return "it begins with a space or an invisible character";
  if (text.includes("\\;")) return backslashes;
  if (text.startsWith(version)) {
    const separator = version === "v=spf1" ? "a space" : "a semicolon";
    return `${version} must be followed by ${separator}`;
  }
  return `it must begin with ${version}, in just this form`;
}

/** For a text that begins otherwise, but nearly so: `spf1 mx`, `v=TLSRPT1; …`, `p=reject; v=DMARC1`. */
function resemblance(text: string, version: RecordVersion): string | undefined {
  const [, mark = "", word = ""] = /^["']?(v[=:]?)?([A-Za-z]{1,20}\d{0,2})\b/i.exec(text) ?? [];
  const meant = version.slice(2);
  const isNear = mark === "" ? asciiLowerCase(word) === asciiLowerCase(meant) : nearest(word, [meant]) !== undefined;
  if (isNear) return `it begins with "${mark}${word}"; it must begin with ${version}`;
  const isLater = text.slice(0, 4000).split(/[;\s]/).includes(version);
  return isLater ? `${version} must come first` : undefined;
}

/** What is visibly broken in a record, whatever it says. */
export function damageOf(text: string): string | undefined {
  const marks = text.split(/["\u201c\u201d]/).length - 1;
  if (marks % 2 === 1) return "it has an unpaired quotation mark, so its end is probably missing";
  if (marks > 0) return "it has quotation marks within; let the zone editor set them, or join the parts";
  if (text.includes("\\;")) return backslashes;
  return undefined;
}

const backslashes = "it has backslashes before its semicolons, which must be removed";

/** For records whose tags must be written as they are, the first that is in capitals. */
export function capitalsOf(text: string, tags: readonly string[]): string | undefined {
  for (const part of text.slice(0, 4000).split(";")) {
    const name = part.slice(0, Math.max(0, part.indexOf("="))).trim();
    const lower = asciiLowerCase(name);
    if (name !== lower && tags.includes(lower)) return `${name}= must be in small letters: ${lower}=`;
  }
  return undefined;
}

/** Whether a broken record was probably cut off by a zone editor that knows no second string. */
export function isCutOff(text: string): boolean {
  return text.length > 0 && text.length % stringLengthMax === 0;
}

/**
 * The text that stands at `name.domain` in place of `name`, which already ends in the domain. A wildcard that covers such
 * names is no mistake.
 */
export async function findDoubled(
  resolver: Resolver,
  domain: string,
  name: string,
  isMeant: (text: string) => boolean,
): Promise<string | undefined> {
  const doubled = doubledName(domain, name);
  if (doubled.length > 253) return undefined;
  const [there, wildcard] = await Promise.all([resolver.query(doubled, "TXT"), resolver.query(`*.${domain}`, "TXT")]);
  const text = there.kind === "records" ? there.records.find(isMeant) : undefined;
  return wildcard.kind === "records" && text !== undefined && wildcard.records.includes(text) ? undefined : text;
}

export function doubledName(domain: string, name: string): string {
  return `${name}.${domain}`;
}

/** The sentence for it. */
export function doubledSentence(domain: string, name: string): string {
  const short = name === domain ? "@" : name.slice(0, -domain.length - 1);
  return `The record stands at ${doubledName(domain, name)}: the zone editor adds ${domain} itself, so enter ${short} as the name`;
}
