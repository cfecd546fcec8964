/**
 * The `Crypto` port without thread pool: every promise resolves in the turn in which it was made, and new keys come from
 * a fixed list, so that a seed decides all.
 */
import { type KeyObject, pbkdf2Sync, sign } from "node:crypto";
import type { Crypto, KeyDerivation } from "../ports/crypto.ts";
import { ed25519Keys, rsaKeys } from "./test-keys.ts";

export class TestCrypto implements Crypto {
  readonly #hashOf: (password: string) => string;
  #made = { rsa: 0, ed25519: 0 };

  /** `hashOf` stands for argon2id. */
  constructor(hashOf: (password: string) => string = (password) => `$argon2id$${password}`) {
    this.#hashOf = hashOf;
  }

  hashPassword(password: string): Promise<string> {
    return Promise.resolve(this.#hashOf(password));
  }

  verifyPassword(password: string, phc: string): Promise<boolean> {
    return Promise.resolve(phc === this.#hashOf(password));
  }

  deriveKey(password: string, { digest, iterations, salt }: KeyDerivation): Promise<Uint8Array> {
    const bytes = { sha1: 20, sha256: 32, sha512: 64 }[digest];
    return Promise.resolve(pbkdf2Sync(password, salt, iterations, bytes, digest));
  }

  signRsaSha256(key: KeyObject, data: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(sign("sha256", data, key));
  }

  /** The keys of {@link testKey}, in order. */
  generateKey({ type }: { readonly type: "rsa" | "ed25519" }): Promise<string> {
    return Promise.resolve(testKey(type, this.#made[type]++));
  }
}

/** PKCS#8 PEM. There are three of each kind; a fourth is the first again. */
export function testKey(type: "rsa" | "ed25519", index = 0): string {
  const lines = type === "rsa" ? rsaKeys[index % rsaKeys.length] : ed25519Keys[index % ed25519Keys.length];
  const base64 = typeof lines === "string" ? lines : (lines ?? []).join("");
  const wrapped = base64.replaceAll(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN PRIVATE KEY-----\n${wrapped}\n-----END PRIVATE KEY-----\n`;
}
