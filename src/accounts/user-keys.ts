/**
 * Public keys by which users sign in without a password (SASL EXTERNAL): which user a key is for, what it is called, and
 * until when it counts. A key belongs to one user, so that a client need not say whose it is.
 */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { ClientCertificate } from "../ports/client-certificate.ts";
import type { Instant } from "../lib/instant.ts";

export interface UserKey {
  /** SHA-256 of the SubjectPublicKeyInfo, in hex. */
  readonly sha256: string;
  /** Key of the user, see `mailboxKey`. */
  readonly user: string;
  /** For people; unlike the labels of the user's other keys. */
  readonly label: string;
  readonly createdAt: Instant;
  /** Absent: it has no end. */
  readonly expiresAt?: Instant;
}

/** How a certificate that an authority vouches for names its user; undefined: the listener has no such authority. */
export type CertificateIdentity = "email" | "common-name" | undefined;

/** Whom a certificate stands for: candidates, of which a client may choose by its authorization id. */
export interface CertificateHolder {
  /** Key of the user. */
  readonly user: string;
  /** For logs and histories: the label of a registered key, or the subject of the certificate. */
  readonly by: string;
  /** The registered key, if it is one. */
  readonly key?: UserKey;
}

/** A certificate or a key with its header and base64; RSA with 16,384 bits has 12 KB. */
const pemBytesMax = 32 * 1024;
const rsaBitsMin = 2048;

/** What can be read of a PEM file; a certificate's end is the end of its key here. */
export type ReadKey =
  | { readonly kind: "key"; readonly sha256: string; readonly expiresAt?: Instant }
  /** In words for who gave the file. */
  | { readonly kind: "problem"; readonly problem: string };

/** A PEM certificate, or a PEM public key. Never a private key: nobody should hand that over. */
export function readUserKey(pem: string): ReadKey {
  if (pem.length > pemBytesMax) return problem(`the file is larger than ${pemBytesMax} octets`);
  if (/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(pem)) {
    return problem("the file holds a private key; give the certificate or the public key instead");
  }
  try {
    const certificate = pem.includes("-----BEGIN CERTIFICATE-----") ? new X509Certificate(pem) : undefined;
    const key = certificate?.publicKey ?? createPublicKey(pem);
    const { modulusLength } = key.asymmetricKeyDetails ?? {};
    if (modulusLength !== undefined && modulusLength < rsaBitsMin) {
      return problem(`an RSA key needs at least ${rsaBitsMin} bits; this one has ${modulusLength}`);
    }
    const sha256 = createHash("sha256")
      .update(key.export({ type: "spki", format: "der" }))
      .digest("hex");
    const expiresAt = certificate === undefined ? {} : { expiresAt: Date.parse(certificate.validTo) };
    return { kind: "key", sha256, ...expiresAt };
  } catch {
    return problem("the file is neither a PEM certificate nor a PEM public key");
  }
}

/**
 * `users`: whether there is such a user, by its key. A registered key counts by itself, whatever else the certificate
 * says; the names of a certificate count only where an authority vouches for them.
 */
export function holdersOf(
  certificate: ClientCertificate,
  {
    keys,
    identity,
    now,
    userOf,
  }: {
    readonly keys: ReadonlyMap<string, UserKey>;
    readonly identity: CertificateIdentity;
    readonly now: Instant;
    /** Key of the user with this name; undefined: there is none. */
    readonly userOf: (name: string) => string | undefined;
  },
): readonly CertificateHolder[] {
  const key = keys.get(certificate.keySha256);
  if (key !== undefined) {
    const expired = key.expiresAt !== undefined && key.expiresAt <= now;
    return expired || userOf(key.user) === undefined ? [] : [{ user: key.user, by: `key ${key.label}`, key }];
  }
  if (!certificate.trusted || identity === undefined) return [];
  const names = identity === "email" ? certificate.emails : [certificate.commonName ?? ""];
  const users = new Set(names.map(userOf).filter((user) => user !== undefined));
  return [...users].map((user) => ({ user, by: `certificate ${certificate.subject}` }));
}

function problem(text: string): ReadKey {
  return { kind: "problem", problem: text };
}
