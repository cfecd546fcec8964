/**
 * Cryptography that uses the thread pool. Synchronous hashes and checks may be used anywhere (`node:crypto`); what
 * completes in an order of its own is a port, because that order would break a simulation's seed.
 */
import type { KeyObject } from "node:crypto";

export interface PasswordCrypto {
  /** argon2id in PHC string form (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). */
  hashPassword(password: string): Promise<string>;
  /** false for a wrong password and for a string that is no argon2id PHC. Constant time over the hash. */
  verifyPassword(password: string, phc: string): Promise<boolean>;
  /** PBKDF2; as many octets as the digest has. */
  deriveKey(password: string, derivation: KeyDerivation): Promise<Uint8Array>;
}

export interface KeyDerivation {
  readonly digest: "sha1" | "sha256" | "sha512";
  readonly iterations: number;
  readonly salt: Uint8Array;
}

export interface SignatureCrypto {
  /** RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8301 §3.1); a 2048-bit key takes most of a millisecond of a core. */
  signRsaSha256(key: KeyObject, data: Uint8Array): Promise<Uint8Array>;
  /** A new private key as PKCS#8 PEM. */
  generateKey(kind: { readonly type: "rsa"; readonly bits: number } | { readonly type: "ed25519" }): Promise<string>;
}

export interface Crypto extends PasswordCrypto, SignatureCrypto {}
