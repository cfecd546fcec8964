/** Password checks that take no time and are counted: `hash:` followed by the password stands for an argon2id hash. */
import { pbkdf2Sync } from "node:crypto";
import { kindOfWork } from "../accounts/password-work.ts";
import type { KeyDerivation, PasswordCrypto } from "../ports/crypto.ts";
import { digestBytes } from "../sasl/scram-verifier.ts";

export class CountingCrypto implements PasswordCrypto {
  verified = 0;
  /** The kind of each check and derivation, in their order. */
  readonly work: string[] = [];

  async hashPassword(password: string): Promise<string> {
    return `hash:${password}`;
  }

  async verifyPassword(password: string, phc: string): Promise<boolean> {
    this.verified++;
    this.work.push(kindOfWork(phc));
    return phc === `hash:${password}`;
  }

  async deriveKey(password: string, { digest, iterations, salt }: KeyDerivation): Promise<Uint8Array> {
    this.work.push(`pbkdf2 ${digest} ${iterations}`);
    return pbkdf2Sync(password, salt, iterations, digestBytes(digest), digest);
  }
}
