/**
 * Whether the certificates that a mail server sent fit its TLSA records (RFC 6698, RFC 7671, RFC 7672 §3.2). A match by
 * DANE-EE is one of key or certificate alone: names and dates do not count. A match by DANE-TA needs a path of valid
 * signatures from the server's certificate to the trust anchor, names and dates included. The system's own authorities are never asked.
 */
import { createHash, createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Instant } from "../lib/instant.ts";
import type { TlsaRecord } from "../ports/resolver.ts";
import type { HandshakeDemand } from "../ports/tls-demand.ts";
import { readDerCertificate, type DerCertificate } from "../lib/der-certificate.ts";
import { hasUnknownCritical, mayVouchFor, pathLengthMax } from "./issuer-limits.ts";
import { formatTlsa, Matching, Selector, Usage, usableRecords, type UsableTlsa } from "./tlsa-record.ts";

/** What is wrong, as TLS reports tell it apart (RFC 8460 §4.3). */
export type DaneFault =
  /** No record that SMTP can use: the caller asked too much. */
  | "tlsa-invalid"
  /** Nothing that was sent fits a record. */
  | "validation-failure"
  | "certificate-host-mismatch"
  | "certificate-expired"
  /** The path to the trust anchor breaks a rule of certificates. */
  | "certificate-not-trusted";

export type DaneVerdict =
  | {
      readonly kind: "verified";
      readonly record: UsableTlsa;
      /** The reference name that the certificate has; absent for DANE-EE, which does not look. */
      readonly name?: string;
    }
  | {
      readonly kind: "failed";
      readonly fault: DaneFault;
      /** What is wrong, as the end of a sentence: "the certificate has expired". */
      readonly reason: string;
    };

/** Honest servers send two to four; what follows is not looked at. */
const certificatesMax = 16;
/** Trust anchors that records hold as whole certificates or keys; each may cost a check of a signature. */
const wholeAnchorsMax = 8;
/** Signatures of one search, of which an honest server needs ten or so; the keys of a hostile one take up to 30 ms each. */
const signatureChecksMax = 32;
/** Extended key usages (RFC 5280 §4.2.1.12) that let a certificate speak for a server. */
const serverPurposes = new Set(["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"]);

/**
 * @param chain what the server sent, as DER, its own certificate first; the order of the others does not matter.
 * @param records of the host; those that cannot be used are passed over.
 * @param names reference names in A-labels, the TLSA base domain first (RFC 7672 §3.2.2); for DANE-TA one must fit.
 */
export function verifyDane(
  chain: readonly Uint8Array[],
  records: readonly TlsaRecord[],
  names: readonly string[],
  now: Instant,
): DaneVerdict {
  const usable = usableRecords(records);
  if (usable.length === 0) return failed("tlsa-invalid", "none of its TLSA records can be used");
  const sent = chain.slice(0, certificatesMax).map((der) => new Certificate(der));
  const [own] = sent;
  if (own === undefined) return failed("validation-failure", "the server sent no certificate");
  const fitting = usable.find((record) => record.usage === Usage.daneEe && own.fits(record));
  if (fitting !== undefined) return { kind: "verified", record: fitting };
  const anchors = usable.filter(({ usage }) => usage === Usage.daneTa);
  if (anchors.length === 0) return failed("validation-failure", "its key is not the one in its TLSA records");
  return new AnchorSearch(sent, anchors, names, now).search();
}

/** Whether nobody is let in unverified: records of which none can be used ask for TLS alone (RFC 7672 §2.2). */
export function demandsVerification(demand: HandshakeDemand): boolean {
  return demand.kind === "pki" || (demand.kind === "dane" && usableRecords(demand.records).length > 0);
}

/** A certificate with all that TLSA records may be compared with. */
class Certificate {
  readonly parts: DerCertificate | undefined;
  readonly x509: X509Certificate | undefined;
  readonly #whole: Comparable;
  readonly #publicKey: Comparable | undefined;

  constructor(der: Uint8Array) {
    this.parts = readDerCertificate(der);
    this.x509 = x509Of(der);
    this.#whole = comparable(der);
    this.#publicKey = this.parts === undefined ? undefined : comparable(this.parts.publicKeyInfo);
  }

  fits({ selector, matching, data }: UsableTlsa): boolean {
    const values = selector === Selector.publicKey ? this.#publicKey : this.#whole;
    return values?.[matching].equals(data) === true;
  }

  /** A key that OpenSSL cannot use signs nothing. */
  get key(): KeyObject | undefined {
    try {
      return this.x509?.publicKey;
    } catch {
      return undefined;
    }
  }
}

/** By matching type. */
type Comparable = Readonly<Record<UsableTlsa["matching"], Buffer>>;

function comparable(value: Uint8Array): Comparable {
  const digest = (name: string) => createHash(name).update(value).digest();
  return {
    [Matching.full]: Buffer.from(value),
    [Matching.sha256]: digest("sha256"),
    [Matching.sha512]: digest("sha512"),
  };
}

/** A trust anchor and the certificates below it, the server's own first. */
interface Path {
  readonly below: readonly Certificate[];
  /** Absent where the record holds a bare key. */
  readonly anchor?: Certificate;
  readonly record: UsableTlsa;
}

/**
 * Goes up from the server's own certificate, over whoever signed it, to each trust anchor that can be reached. Every
 * certificate is visited once, and paths that keep the rules go first: so an expired authority that was sent beside its
 * renewed one stands in nobody's way. Where the checks of signatures are used up, nothing more is reached.
 */
class AnchorSearch {
  readonly #own: Certificate | undefined;
  readonly #pool: readonly Certificate[];
  readonly #anchors: readonly UsableTlsa[];
  readonly #keys: readonly { readonly key: KeyObject; readonly record: UsableTlsa }[];
  readonly #names: readonly string[];
  readonly #now: Instant;
  #checksLeft = signatureChecksMax;

  constructor(sent: readonly Certificate[], anchors: readonly UsableTlsa[], names: readonly string[], now: Instant) {
    const whole = anchors.filter(({ matching }) => matching === Matching.full).slice(0, wholeAnchorsMax);
    const given = whole.filter(({ selector }) => selector === Selector.certificate);
    this.#own = sent[0];
    this.#pool = [...sent.slice(1), ...given.map(({ data }) => new Certificate(data))];
    this.#anchors = anchors;
    this.#keys = whole.flatMap((record) => {
      const key = record.selector === Selector.publicKey ? publicKeyOf(record.data) : undefined;
      return key === undefined ? [] : [{ key, record }];
    });
    this.#names = names;
    this.#now = now;
  }

  search(): DaneVerdict {
    let first: DaneVerdict | undefined;
    for (const path of this.#paths()) {
      const verdict = this.#judge(path);
      if (verdict.kind === "verified") return verdict;
      first ??= verdict;
    }
    return first ?? failed("validation-failure", "no trust anchor of its TLSA records signed what it sent");
  }

  *#paths(): Generator<Path> {
    const visited = new Set<Certificate>();
    const waiting: (readonly Certificate[])[] = this.#own === undefined ? [] : [[this.#own]];
    /** What reaches an anchor over one of these is refused; they are followed to tell why. */
    const broken: (readonly Certificate[])[] = [];
    for (let below = waiting.shift(); below !== undefined; below = waiting.shift() ?? broken.shift()) {
      const last = below.at(-1)?.x509;
      if (last === undefined) continue;
      for (const { key, record } of this.#keys) if (this.#isSignedBy(last, key)) yield { below, record };
      for (const issuer of this.#pool) {
        if (visited.has(issuer) || !this.#isIssuedBy(last, issuer)) continue;
        visited.add(issuer);
        const record = this.#anchors.find((anchor) => issuer.fits(anchor));
        const path = [...below, issuer];
        if (record !== undefined) yield { below, anchor: issuer, record };
        else if (typeof this.#nameOrFault(path) === "string") waiting.push(path);
        else broken.push(path);
      }
    }
  }

  #isIssuedBy(certificate: X509Certificate, issuer: Certificate): boolean {
    const { key, x509 } = issuer;
    if (x509?.ca !== true || key === undefined || !certificate.checkIssued(x509)) return false;
    return this.#isSignedBy(certificate, key);
  }

  #isSignedBy(certificate: X509Certificate, key: KeyObject): boolean {
    if (this.#checksLeft === 0) return false;
    this.#checksLeft--;
    try {
      return certificate.verify(key);
    } catch {
      // A key of another kind than the signature.
      return false;
    }
  }

  #judge({ below, anchor, record }: Path): DaneVerdict {
    const found = this.#nameOrFault(anchor === undefined ? below : [...below, anchor]);
    return typeof found === "string" ? { kind: "verified", record, name: found } : found;
  }

  /** The rules of RFC 5280 §6.1 beyond the signatures, which are known to fit: the name that fits, or what is wrong. */
  #nameOrFault(path: readonly Certificate[]): string | Extract<DaneVerdict, { readonly kind: "failed" }> {
    const own = path[0]?.x509;
    const name = this.#names.find((reference) => own !== undefined && isFor(own, reference));
    if (name === undefined) {
      return failed("certificate-host-mismatch", `the certificate is not for ${this.#names.join(" or ")}`);
    }
    for (const { x509, parts } of path) {
      if (x509 === undefined || parts === undefined || hasUnknownCritical(parts)) {
        return failed("certificate-not-trusted", "a certificate has a critical extension that is not known here");
      }
      if (this.#now > x509.validToDate.getTime()) return failed("certificate-expired", "a certificate has expired");
      if (this.#now < x509.validFromDate.getTime()) {
        return failed("certificate-not-trusted", "a certificate is not valid yet");
      }
      // What an authority may not be for, what it signs is not for either.
      if (x509.keyUsage?.some((purpose) => serverPurposes.has(purpose)) === false) {
        return failed("certificate-not-trusted", "a certificate is not meant for servers");
      }
    }
    for (const [index, { parts }] of path.entries()) {
      if (index === 0 || parts === undefined) continue;
      // Between this authority and the server's own certificate stand index - 1 others.
      if (index - 1 > (pathLengthMax(parts) ?? Infinity) || !mayVouchFor(parts, name)) {
        return failed("certificate-not-trusted", "an authority signed what its own certificate does not let it sign");
      }
    }
    return name;
  }
}

/** RFC 7672 §3.2.3: the subject's common name counts only where there is no DNS name; a wildcard is a whole label. */
function isFor(certificate: X509Certificate, name: string): boolean {
  try {
    return certificate.checkHost(name, { subject: "default", partialWildcards: false }) !== undefined;
  } catch {
    // No name at all, as OpenSSL sees it: strangers choose the names of their hosts.
    return false;
  }
}

function x509Of(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

function publicKeyOf(der: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

function failed(fault: DaneFault, reason: string): Extract<DaneVerdict, { readonly kind: "failed" }> {
  return { kind: "failed", fault, reason };
}

/** For logs: which record fitted. */
export function describeMatch({ record, name }: DaneVerdict & { readonly kind: "verified" }): string {
  const { usage, selector, matching } = record;
  const digits = formatTlsa(record).split(" ").at(-1)?.slice(0, 16) ?? "";
  return `TLSA ${usage} ${selector} ${matching} ${digits}…${name === undefined ? "" : ` for ${name}`}`;
}
