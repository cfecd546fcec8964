/**
 * A SCRAM verifier as stored in a configuration (RFC 5803 §3, the form PostgreSQL made common):
 * `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`. It lets a password be checked that nobody stored; the SCRAM mechanism
 * itself uses the same value.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { decodeBase64 } from "./strict-base64.ts";

export interface ScramVerifier {
  readonly digest: "sha1" | "sha256";
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** RFC 7677 §3 and RFC 5802 §5.1 ask for at least 4,096. */
const iterationsMin = 4096;
/** 65,536 rounds of SHA-256 take about 20 ms, as long as argon2id; more is no verifier of ours. */
const iterationsMax = 65_536;

const grammar = /^SCRAM-SHA-(1|256)\$(\d{4,6}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

export function parseScramVerifier(text: string): ScramVerifier | undefined {
  const [, size, count, ...encoded] = grammar.exec(text) ?? [];
  if (size === undefined || count === undefined) return undefined;
  const [salt, storedKey, serverKey] = encoded.map(decodeBase64);
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined;
  const iterations = Number(count);
  const digest = size === "1" ? "sha1" : "sha256";
  const keyBytes = digest === "sha1" ? 20 : 32;
  if (iterations < iterationsMin || iterations > iterationsMax || salt.length === 0) return undefined;
  if (storedKey.length !== keyBytes || serverKey.length !== keyBytes) return undefined;
  return { digest, iterations, salt, storedKey, serverKey };
}

/** `salted`: the prepared password, derived as the verifier says. Constant time over the key. */
export function matchesScramVerifier(salted: Uint8Array, { digest, storedKey }: ScramVerifier): boolean {
  const clientKey = createHmac(digest, salted).update("Client Key").digest();
  return timingSafeEqual(createHash(digest).update(clientKey).digest(), storedKey);
}
