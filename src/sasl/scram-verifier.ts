/**
 * A SCRAM verifier (RFC 5802 §3): what a server keeps in place of a password, with which it can check a proof and prove
 * that it knows the user, and from which nobody can log in. As text it has the form of RFC 5803 §3 that PostgreSQL made
 * common: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { decodeBase64 } from "./strict-base64.ts";

export type ScramDigest = "sha1" | "sha256" | "sha512";

export interface ScramVerifier {
  readonly digest: ScramDigest;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** RFC 7677 §3 and RFC 5802 §5.1 ask for at least 4,096. */
const iterationsMin = 4096;
/** 65,536 rounds of SHA-256 take about 20 ms, as long as argon2id; more is no verifier of ours. */
const iterationsMax = 65_536;
/** A text is longer only where someone wants us to read for long. */
const textMax = 1024;

const grammar = /^SCRAM-SHA-(1|256)\$(\d{4,6}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

export function digestBytes(digest: ScramDigest): number {
  return { sha1: 20, sha256: 32, sha512: 64 }[digest];
}

/** Undefined where it is anything else, or out of bounds. */
export function parseScramVerifier(text: string): ScramVerifier | undefined {
  const [, size, count, ...encoded] = (text.length <= textMax ? grammar.exec(text) : null) ?? [];
  if (size === undefined || count === undefined) return undefined;
  const [salt, storedKey, serverKey] = encoded.map(decodeBase64);
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined;
  const iterations = Number(count);
  const digest = size === "1" ? "sha1" : "sha256";
  const keyBytes = digestBytes(digest);
  if (iterations < iterationsMin || iterations > iterationsMax || salt.length === 0) return undefined;
  if (storedKey.length !== keyBytes || serverKey.length !== keyBytes) return undefined;
  return { digest, iterations, salt, storedKey, serverKey };
}

/** Those of the texts that are verifiers. */
export function parseScramVerifiers(texts: readonly string[]): readonly ScramVerifier[] {
  return texts.map(parseScramVerifier).filter((verifier) => verifier !== undefined);
}

export function formatScramVerifier({ digest, iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  const size = { sha1: "1", sha256: "256", sha512: "512" }[digest];
  const [salt64, stored64, server64] = [salt, storedKey, serverKey].map((part) => Buffer.from(part).toString("base64"));
  return `SCRAM-SHA-${size}$${iterations}:${salt64}$${stored64}:${server64}`;
}

/** `salted`: PBKDF2 of the prepared password with this salt and count (RFC 5802 §3, SaltedPassword). */
export function scramVerifierOf(
  salted: Uint8Array,
  { digest, iterations, salt }: Pick<ScramVerifier, "digest" | "iterations" | "salt">,
): ScramVerifier {
  const serverKey = createHmac(digest, salted).update("Server Key").digest();
  return { digest, iterations, salt, storedKey: hash(digest, clientKeyOf(digest, salted)), serverKey };
}

/** `salted`: the prepared password, derived as the verifier says. Constant time over the key. */
export function matchesScramVerifier(salted: Uint8Array, { digest, storedKey }: ScramVerifier): boolean {
  return timingSafeEqual(hash(digest, clientKeyOf(digest, salted)), storedKey);
}

/** ClientProof (RFC 5802 §3): shows that the client has the password, to those who saw `authMessage` only. */
export function clientProof(digest: ScramDigest, salted: Uint8Array, authMessage: string): Uint8Array {
  const clientKey = clientKeyOf(digest, salted);
  return xor(clientKey, signature(digest, hash(digest, clientKey), authMessage));
}

/** Whether the proof is right; in constant time, and false for one of another length. */
export function isProof(proof: Uint8Array, { digest, storedKey }: ScramVerifier, authMessage: string): boolean {
  if (proof.length !== digestBytes(digest)) return false;
  const clientKey = xor(proof, signature(digest, storedKey, authMessage));
  return timingSafeEqual(hash(digest, clientKey), storedKey);
}

/** ServerSignature (RFC 5802 §3). */
export function serverSignature(digest: ScramDigest, serverKey: Uint8Array, authMessage: string): Uint8Array {
  return signature(digest, serverKey, authMessage);
}

function clientKeyOf(digest: ScramDigest, salted: Uint8Array): Uint8Array {
  return createHmac(digest, salted).update("Client Key").digest();
}

function signature(digest: ScramDigest, key: Uint8Array, authMessage: string): Uint8Array {
  return createHmac(digest, key).update(authMessage, "utf8").digest();
}

function hash(digest: ScramDigest, data: Uint8Array): Uint8Array {
  return createHash(digest).update(data).digest();
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((octet, index) => octet ^ (b[index] ?? 0));
}
