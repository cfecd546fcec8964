/** A private key with the place where its public half is published (RFC 6376 §3.6.2.1), ready to sign with. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** The only two that are made: rsa-sha1 must not be (RFC 8301 §3.1). */
export type SigningAlgorithm = "rsa-sha256" | "ed25519-sha256";

export interface SigningKey {
  /** d=, lower case, A-labels. */
  readonly domain: string;
  /** s=, lower case. */
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly key: KeyObject;
}

/** Signers must not use less (RFC 8301 §3.2). */
export const rsaBitsMin = 1024;
/** Verifiers need not support more, and each signature costs eight times that of half the length. */
export const rsaBitsMax = 4096;

export type PrivateKey =
  | { readonly kind: "key"; readonly algorithm: SigningAlgorithm; readonly key: KeyObject }
  | { readonly kind: "problem"; readonly problem: string };

/**
 * Reads a private key in PEM, PKCS#8 or PKCS#1, as other mail servers keep it. `problem` is a sentence's end, such as
 * "is an RSA key of 512 bits; …", that never shows anything of the key.
 */
export function readPrivateKey(pem: string): PrivateKey {
  const key = parsePem(pem);
  if (key === undefined) return { kind: "problem", problem: "is no unencrypted private key in PEM form" };
  if (key.asymmetricKeyType === "ed25519") return { kind: "key", algorithm: "ed25519-sha256", key };
  if (key.asymmetricKeyType !== "rsa") {
    return {
      kind: "problem",
      problem: `is a key of type ${key.asymmetricKeyType ?? "unknown"}; DKIM has rsa and ed25519`,
    };
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < rsaBitsMin || bits > rsaBitsMax) {
    return {
      kind: "problem",
      problem: `is an RSA key of ${bits} bits; signers use ${rsaBitsMin} to ${rsaBitsMax}, better 2048`,
    };
  }
  return { kind: "key", algorithm: "rsa-sha256", key };
}

/** What `p=` holds: SubjectPublicKeyInfo for RSA, the 32 octets themselves for Ed25519 (RFC 8463 §4.2). */
export function publicKeyOctets(privateKey: KeyObject): Buffer {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return privateKey.asymmetricKeyType === "ed25519" ? spki.subarray(spki.length - 32) : spki;
}

/** Where the public key is published: `<selector>._domainkey.<domain>`. */
export function recordName({ domain, selector }: Pick<SigningKey, "domain" | "selector">): string {
  return `${selector}._domainkey.${domain}`;
}

/** The key record to publish (RFC 6376 §3.6.1, RFC 8463 §4.2), as one string. */
export function recordText(privateKey: KeyObject): string {
  const type = privateKey.asymmetricKeyType === "ed25519" ? "ed25519" : "rsa";
  return `v=DKIM1; k=${type}; p=${publicKeyOctets(privateKey).toString("base64")}`;
}

function parsePem(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: "pem" });
  } catch {
    return undefined;
  }
}
