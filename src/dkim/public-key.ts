/**
 * The public keys of signatures: fetched from DNS (RFC 6376 §3.6.2, §6.1.2), and used.
 *
 * Owns the choice among several records and a small cache of parsed ones; the resolver keeps the answers themselves.
 */
import { createHash, verify } from "node:crypto";
import { TextCache } from "../lib/text-cache.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { DkimResult } from "./dkim-outcome.ts";
import { parseKeyRecord, type KeyRecord, type KeyRecordResult, type PublicKey } from "./key-record.ts";
import { type SigningAlgorithm } from "./signing-key.ts";

export { parseKeyRecord, type KeyRecord, type KeyRecordResult, type KeyType, type PublicKey } from "./key-record.ts";

/** `key` is never "revoked" here: that is a problem. */
export interface FetchedKey {
  readonly kind: "key";
  readonly key: PublicKey;
  readonly record: KeyRecord;
}
export interface KeyProblem {
  readonly kind: "problem";
  readonly result: Extract<DkimResult, "temperror" | "permerror">;
  /** `no-key`, `key-unavailable`, `key-malformed`, `several-keys`, `key-revoked`, `key-not-for-email`. */
  readonly reason: string;
  readonly detail: string;
  /** Where the record could be read. */
  readonly record?: KeyRecord;
}

/** Of one name; each costs a parse, and one is what a domain should have. */
const recordsMax = 10;
/**
 * A busy server meets some hundred signing domains an hour, and a parsed RSA-2048 key takes 3 KB beside its text of 400
 * characters: some 1,000 keys, 4 MB. Anyone can publish a key with notes of 64 KB.
 */
const records = new TextCache(parseKeyRecord, { lengthMax: 4096, lengthTotalMax: 500_000 });

/**
 * Looks the key up. Several records that are keys are a permanent error: a verifier could take any of them (RFC 6376
 * §3.6.2.2 leaves it undefined), and what depends on the order of an answer is no verdict. Other text, and broken records beside
 * a good one, are passed over.
 */
export async function fetchPublicKey(
  resolver: Resolver,
  query: { readonly domain: string; readonly selector: string },
  options: { readonly signal?: AbortSignal } = {},
): Promise<FetchedKey | KeyProblem> {
  const name = `${query.selector}._domainkey.${query.domain}`;
  const answer = await resolver.query(name, "TXT", options);
  switch (answer.kind) {
    case "failure":
      return problem("temperror", "key-unavailable", `DNS gives no answer for ${name}: ${answer.reason}`);
    case "no-name":
    case "no-data":
      return problem("permerror", "no-key", `there is no key record at ${name}`);
    case "records":
      return chooseKey(name, answer.records);
    default:
      return answer satisfies never;
  }
}

/**
 * Does the signature fit the data? An Ed25519 signature is one of the data's SHA-256 hash (RFC 8463 §3). Synchronous:
 * 30 µs for RSA-2048, 100 µs for 4096 bits or Ed25519. False for a key of another type.
 */
export function verifySignature(check: {
  readonly key: PublicKey;
  readonly algorithm: SigningAlgorithm;
  readonly data: Buffer;
  readonly signature: Buffer;
}): boolean {
  const { key, algorithm, data, signature } = check;
  switch (algorithm) {
    case "rsa-sha256":
      return key.type === "rsa" && verify("sha256", data, key.object, signature);
    case "ed25519-sha256": {
      if (key.type !== "ed25519") return false;
      return verify(null, createHash("sha256").update(data).digest(), key.object, signature);
    }
    default:
      return algorithm satisfies never;
  }
}

function chooseKey(name: string, texts: readonly string[]): FetchedKey | KeyProblem {
  let first: Exclude<KeyRecordResult, { kind: "not-dkim" }> | undefined;
  for (const text of texts.slice(0, recordsMax)) {
    // Only what was worth to keep: anyone can publish texts that are no keys.
    const result = records.get(text, ({ kind }) => kind === "record");
    if (result.kind === "not-dkim") continue;
    if (first?.kind === "record" && result.kind === "record") {
      return problem("permerror", "several-keys", `there are several key records at ${name}`);
    }
    if (first?.kind !== "record") first = result;
  }
  if (first === undefined) return problem("permerror", "no-key", `the record at ${name} is not a key record`);
  if (first.kind === "malformed") return problem("permerror", "key-malformed", `${name}: ${first.detail}`);
  const { record } = first;
  if (!record.forEmail) {
    return { ...problem("permerror", "key-not-for-email", `the key at ${name} is not for e-mail`), record };
  }
  if (record.key === "revoked") {
    return { ...problem("permerror", "key-revoked", `the key at ${name} is revoked`), record };
  }
  return { kind: "key", key: record.key, record };
}

function problem(result: KeyProblem["result"], reason: string, detail: string): KeyProblem {
  return { kind: "problem", result, reason, detail };
}
