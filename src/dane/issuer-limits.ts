/**
 * What a certificate authority's certificate says about what it may issue (RFC 5280 §4.2.1.9, §4.2.1.10): the length of the path below
 * it and the names. RFC 7672 §3.1.2 wants these honoured for a trust anchor, and Node does not tell them.
 */
import { Buffer } from "node:buffer";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { readElement, readElements, Tag, type DerCertificate } from "../lib/der-certificate.ts";

const basicConstraints = "551d13";
const nameConstraints = "551d1e";
/**
 * Critical extensions that are honoured here or by OpenSSL, or that cannot matter: key usage, extended key usage, alternative
 * names, and the policies, which we ask nothing of.
 */
const understood = new Set([
  basicConstraints,
  nameConstraints,
  "551d0f",
  "551d25",
  "551d11",
  "551d20",
  "551d21",
  "551d24",
  "551d36",
]);
/** Subtrees of a constraint; more are taken for broken. */
const subtreesMax = 1000;
const Subtree = { permitted: 0xa0, excluded: 0xa1, dnsName: 0x82, directoryName: 0xa4 } as const;

/** RFC 5280 §4.2: a critical extension that is not understood makes the certificate unusable. */
export function hasUnknownCritical({ extensions }: DerCertificate): boolean {
  return extensions.some(({ critical, id }) => critical && !understood.has(id));
}

/** How many authorities may stand between this one and the server's certificate; undefined: any number. */
export function pathLengthMax(certificate: DerCertificate): number | undefined {
  const parts = sequenceOf(certificate, basicConstraints);
  const length = parts?.find(({ tag }) => tag === Tag.integer)?.content;
  if (length === undefined) return undefined;
  // RFC 5280 §4.2.1.9: not negative. More than one octet is more than any path has.
  return length.length === 1 ? length[0] : Infinity;
}

/** Whether the authority may vouch for this host name, which is in A-labels. False for limits that cannot be read. */
export function mayVouchFor(certificate: DerCertificate, name: string): boolean {
  const extension = certificate.extensions.find(({ id }) => id === nameConstraints);
  if (extension === undefined) return true;
  const lists = sequenceOf(certificate, nameConstraints);
  if (lists === undefined) return false;
  const permitted = namesOf(lists.find(({ tag }) => tag === Subtree.permitted)?.content);
  const excluded = namesOf(lists.find(({ tag }) => tag === Subtree.excluded)?.content);
  // A limit on subjects is not looked at, so nothing behind one is trusted.
  if (permitted === undefined || excluded === undefined) return false;
  if (excluded.some((base) => isWithin(name, base))) return false;
  return permitted.length === 0 || permitted.some((base) => isWithin(name, base));
}

function sequenceOf({ extensions }: DerCertificate, wanted: string): ReturnType<typeof readElements> {
  const value = extensions.find(({ id }) => id === wanted)?.value;
  const sequence = value === undefined ? undefined : readElement(value, 0);
  return sequence?.tag === Tag.sequence ? readElements(sequence.content, 4) : undefined;
}

/** The host names among the subtrees; undefined where one is of a kind that is not judged, or broken. */
function namesOf(content: Uint8Array | undefined): readonly string[] | undefined {
  if (content === undefined) return [];
  const names: string[] = [];
  for (const subtree of readElements(content, subtreesMax) ?? [undefined]) {
    const base = subtree === undefined ? undefined : readElement(subtree.content, 0);
    if (base === undefined || base.tag === Subtree.directoryName) return undefined;
    if (base.tag === Subtree.dnsName) names.push(asciiLowerCase(Buffer.from(base.content).toString("latin1")));
  }
  return names;
}

/** RFC 5280 §4.2.1.10: labels may be added on the left; "" covers every name. A leading dot is not in it, but in use. */
function isWithin(name: string, base: string): boolean {
  const bare = base.startsWith(".") ? base.slice(1) : base;
  const host = asciiLowerCase(name);
  return bare === "" || host.endsWith(`.${bare}`) || (host === bare && !base.startsWith("."));
}
