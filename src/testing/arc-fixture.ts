/** Messages taken apart as the mail path does it, keys with their records, and what validators say of the outcome. */
import assert from "node:assert/strict";
import { authenticate } from "mailauth";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { readPrivateKey, recordName, recordText, type SigningKey } from "../dkim/signing-key.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { StaticResolver } from "./static-resolver.ts";
import { TestCrypto, testKey } from "./test-crypto.ts";
import type { ArcOutcome } from "../arc/arc-outcome.ts";
import { ArcSealer } from "../arc/arc-sealer.ts";
import { ArcValidator } from "../arc/arc-validator.ts";

export const now = Date.UTC(2026, 0, 1);

export function signingKey(domain: string, pem = testKey("rsa")): SigningKey {
  const read = readPrivateKey(pem);
  assert.ok(read.kind === "key");
  return { domain, selector: "arc", algorithm: read.algorithm, key: read.key };
}

export function resolverWith(...keys: readonly SigningKey[]): StaticResolver {
  const resolver = new StaticResolver();
  for (const key of keys) resolver.add(recordName(key), "TXT", recordText(key.key));
  return resolver;
}

/** `message` with CRLF. */
export async function validate(message: string | Buffer, resolver: StaticResolver, at = now): Promise<ArcOutcome> {
  const { header, rest } = takeApart(message);
  const bodies = new BodyHashes();
  const validator = new ArcValidator(header, bodies, { resolver, now: at });
  bodies.push(rest);
  bodies.end();
  return validator.finish();
}

export interface Hop {
  readonly key: SigningKey;
  readonly results?: string;
  /** In place of what our validator says. */
  readonly arc?: ArcOutcome;
}

/** The message with the set that a host adds that received it as it is. */
export async function seal(message: string, resolver: StaticResolver, { key, results, arc }: Hop): Promise<string> {
  const outcome = arc ?? (await validate(message, resolver));
  const { header, rest } = takeApart(message);
  const bodies = new BodyHashes();
  const sealer = new ArcSealer(header, bodies, {
    key,
    crypto: new TestCrypto(),
    now,
    authservId: `mx.${key.domain}`,
  });
  bodies.push(rest);
  bodies.end();
  const set = await sealer.finish({ arc: outcome, results: results ?? `; arc=${outcome.result}; spf=pass` });
  return set.kind === "sealed" ? `${set.fields}${message}` : message;
}

/** What an independent validator says of the chain. */
export async function oracle(message: string | Buffer, resolver: StaticResolver): Promise<string> {
  const { arc } = await authenticate(message, {
    ip: "192.0.2.1",
    helo: "mail.example",
    sender: "a@author.example",
    mta: "mx.example",
    disableDmarc: true,
    disableBimi: true,
    resolver: async (name: string, type: string) => {
      if (type !== "TXT") return [];
      const answer = await resolver.query(name, "TXT");
      return answer.kind === "records" ? answer.records.map((record) => [record]) : [];
    },
  });
  return arc ? arc.status.result : "none";
}

export function takeApart(message: string | Buffer) {
  const collector = new HeaderCollector();
  collector.push(Buffer.from(message));
  const result = collector.end();
  assert.ok(result.kind === "complete");
  return { header: parseHeaderFields(result.header), rest: result.rest };
}
