/** The TLSA record that belongs to a key (RFC 7672 §3.1: DANE-EE, public key, SHA-256), and whether DNS shows it. */
import { createHash, createPublicKey } from "node:crypto";
import type { Resolver, TlsaRecord } from "../ports/resolver.ts";

/** What DNS says about the records of a host. `failed`: nobody knows. */
export type PublishedTlsa =
  | { readonly kind: "records"; readonly records: readonly TlsaRecord[]; readonly ttlMs: number }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly reason: string };

export function tlsaName(hostname: string): string {
  return `_25._tcp.${hostname}`;
}

/** As a zone file has it. */
export function tlsaText(hostname: string, keyPem: string): string {
  return `${tlsaName(hostname)}. IN TLSA 3 1 1 ${digestOf(keyPem, "sha256").toString("hex")}`;
}

export async function publishedTlsa(resolver: Resolver, hostname: string): Promise<PublishedTlsa> {
  const answer = await resolver.query(tlsaName(hostname), "TLSA", { fresh: true, asker: { purpose: "upkeep" } });
  if (answer.kind === "failure") return { kind: "failed", reason: answer.reason };
  if (answer.kind !== "records" || answer.records.length === 0) return { kind: "none" };
  return { kind: "records", records: answer.records, ttlMs: answer.ttlSeconds * 1000 };
}

/** Whether one of the records pins this key, whoever vouches for it. */
export function pins(records: readonly TlsaRecord[], keyPem: string): boolean {
  return records.some(({ usage, selector, matching, data }) => {
    if ((usage !== 3 && usage !== 1) || selector !== 1) return false;
    const wanted =
      matching === 0 ? publicKeyOf(keyPem) : matching === 1 ? digestOf(keyPem, "sha256") : digestOf(keyPem, "sha512");
    return matching <= 2 && wanted.equals(data);
  });
}

function digestOf(keyPem: string, algorithm: "sha256" | "sha512"): Buffer {
  return createHash(algorithm).update(publicKeyOf(keyPem)).digest();
}

function publicKeyOf(keyPem: string): Buffer {
  return createPublicKey(keyPem).export({ type: "spki", format: "der" });
}
