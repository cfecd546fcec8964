/** Signatures over what has been put together for them; RSA through the thread pool, Ed25519 at once. */
import { createHash, sign } from "node:crypto";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { SigningKey } from "./signing-key.ts";

/**
 * The octets of b= for `data`: the canonical header fields (DKIM), or a whole seal's input (ARC). Ed25519 signs the
 * SHA-256 of it (RFC 8463 §3) and takes some 50 µs, less than a trip to the thread pool is worth.
 */
export async function signData(key: SigningKey, data: Buffer, crypto: SignatureCrypto): Promise<Buffer> {
  switch (key.algorithm) {
    case "ed25519-sha256":
      return sign(null, createHash("sha256").update(data).digest(), key.key);
    case "rsa-sha256":
      return Buffer.from(await crypto.signRsaSha256(key.key, data));
    default:
      return key.algorithm satisfies never;
  }
}
