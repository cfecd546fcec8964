/**
 * The DMARC policy record (RFC 9989 §4.7, §4.8), one TXT record to a value. Records written for RFC 7489 read the same:
 * their `pct`, `rf` and `ri` are history (RFC 9989 §C.5.2) and ignored like any unknown tag.
 *
 * A tag whose value breaks its syntax counts as absent (§4.8); only `p`, `sp` and `np` have a rule of their own
 * (§4.10.1).
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { nearest } from "../lib/nearest.ts";
import { shorten } from "../lib/shorten.ts";
import type { DmarcAlignment, DmarcPolicy, DmarcRecord } from "./dmarc-outcome.ts";

export type ParsedDmarcRecord =
  | {
      readonly kind: "record";
      readonly record: DmarcRecord;
      /** Sentences for the owner of the record; it counts nevertheless. */
      readonly problems: readonly string[];
    }
  /**
   * A DMARC record without a usable policy and without anyone to report that to: DMARC does not apply (RFC 9989
   * §4.10.1). It still says where an organisation begins.
   */
  | { readonly kind: "unusable"; readonly record: DmarcRecord; readonly problems: readonly string[] }
  /** Some other text, or a list that names a tag twice, which makes all of it invalid (RFC 6376 §3.2). */
  | { readonly kind: "other"; readonly problems: readonly string[] };

/** A record of 64 KB has room for thousands of URIs; nobody needs more than a few (RFC 7489 §6.2 asks for two). */
export const reportUrisMax = 10;
/** What is looked at of a record that is made to cost time; the standards define some fifteen tags. */
const tagsMax = 100;
const listedMax = 100;

/** `v` must be first and its value exact; its name may be in any case by the ABNF (RFC 9989 §4.8, RFC 5234 §2.3). */
const version = /^[ \t]*[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;

/** Whether the text begins as DMARC records do; all else beside them is someone else's. */
export function isDmarcRecord(text: string): boolean {
  return version.test(text);
}

/** `text`: the strings of one TXT record, joined. */
export function parseDmarcRecord(text: string): ParsedDmarcRecord {
  if (!isDmarcRecord(text)) return { kind: "other", problems: ["The record does not begin with v=DMARC1"] };
  const problems: string[] = [];
  const tags = readTags(text, problems);
  if (typeof tags === "string") return { kind: "other", problems: [`the tag ${tags} appears twice`] };

  const choose = <T extends string>(tag: string, values: readonly T[]): T | undefined => {
    const value = tags.get(tag);
    if (value === undefined) return undefined;
    const chosen = values.find((known) => known === asciiLowerCase(value));
    if (chosen === undefined) problems.push(misspelt(tag, value, values));
    return chosen;
  };
  const sizes: Record<string, number> = {};
  const rua = reportUris(tags.get("rua"), "rua", problems, sizes);
  const ruf = reportUris(tags.get("ruf"), "ruf", problems);
  const fo = ruf.length === 0 ? undefined : failureOptions(tags.get("fo"), problems);
  const base = {
    adkim: choose("adkim", alignments) === "s" ? "strict" : "relaxed",
    aspf: choose("aspf", alignments) === "s" ? "strict" : "relaxed",
    testing: choose("t", ["y", "n"]) === "y",
    psd: choose("psd", ["y", "n", "u"]) ?? "u",
    rua,
    ...(Object.keys(sizes).length > 0 && { reportBytesMax: sizes }),
    ruf,
    fo: fo ?? ["0"],
  } satisfies Omit<DmarcRecord, "p"> & { readonly adkim: DmarcAlignment };

  const p = choose("p", policies);
  const sp = choose("sp", policies);
  const np = choose("np", policies);
  if (!tags.has("p")) problems.push("p= is missing");
  const sound = p !== undefined && tags.has("sp") === (sp !== undefined) && tags.has("np") === (np !== undefined);
  if (!sound) return { kind: rua.length > 0 ? "record" : "unusable", record: { p: "none", ...base }, problems };
  const record = { p, ...(sp !== undefined && { sp }), ...(np !== undefined && { np }), ...base };
  return { kind: "record", record, problems };
}

const policies: readonly DmarcPolicy[] = ["none", "quarantine", "reject"];
const alignments = ["r", "s"] as const;

/** `p= says "quarentine"; did you mean quarantine?` */
function misspelt(tag: string, value: string, values: readonly string[]): string {
  const meant = nearest(value, values);
  const shown = shorten(value, 40);
  const advice = meant === undefined ? `it must be one of ${values.join(", ")}` : `did you mean ${meant}?`;
  return `${tag}= says "${shown}"; ${advice}`;
}

/** Names in any case (RFC 9989 §4.8, RFC 5234 §2.3), to be asked for in lower case; a text names a tag that appears twice. */
function readTags(text: string, problems: string[]): ReadonlyMap<string, string> | string {
  const tags = new Map<string, string>();
  for (const part of text.split(";", tagsMax)) {
    const tag = part.trim();
    if (tag === "") continue;
    const equals = tag.indexOf("=");
    if (equals < 1) {
      problems.push("A part between semicolons is no tag=value");
      continue;
    }
    const name = tags.size === 0 ? "v" : tag.slice(0, equals).trim();
    if (tags.has(name)) return /^\w{1,20}$/.test(name) ? `${name}=` : "of some name";
    tags.set(name, tag.slice(equals + 1).trim());
  }
  for (const [name, value] of tags) {
    // Where both stand there, the usual spelling counts, as with readers that know no other.
    const lower = asciiLowerCase(name);
    if (!tags.has(lower)) tags.set(lower, value);
  }
  return tags;
}

/** RFC 3986 without the comma and the exclamation mark (RFC 9989 §4.8), and the size that RFC 7489 let follow. */
const reportUri = /^([a-z][a-z\d+.-]*:(?:[\w\-.~:/?#[\]@$&'()*+;=]|%[\da-f]{2})*)(?:!(\d+)([kmgt]?))?$/i;

function reportUris(
  value: string | undefined,
  tag: string,
  problems: string[],
  sizes: Record<string, number> = {},
): readonly string[] {
  if (value === undefined) return [];
  const uris: string[] = [];
  for (const part of value.split(",", listedMax)) {
    const match = reportUri.exec(part.trim());
    const uri = match?.[1];
    if (uri === undefined) {
      problems.push(`${tag}= lists something that is no URI; an address needs mailto: before it`);
    } else if (uris.length < reportUrisMax) {
      uris.push(uri);
      if (match?.[2] !== undefined) sizes[uri] = reportSize(match[2], match[3] ?? "");
    }
  }
  return uris;
}

/** RFC 7489 §6.4: octets, or units of 1,024 and its powers. */
function reportSize(digits: string, unit: string): number {
  return Number(digits) * 1024 ** ["", "k", "m", "g", "t"].indexOf(asciiLowerCase(unit));
}

/** RFC 9989 §4.8 dmarc-fo: each option once, and not both 0 and 1. */
function failureOptions(value: string | undefined, problems: string[]): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const options = value.split(":").map((option) => asciiLowerCase(option.trim()));
  const given = new Set(options);
  const sound =
    given.size === options.length &&
    options.every((option) => ["0", "1", "d", "s"].includes(option)) &&
    !(given.has("0") && given.has("1"));
  if (!sound) problems.push("fo= must list 0 or 1, d and s, with colons between");
  return sound ? options : undefined;
}
