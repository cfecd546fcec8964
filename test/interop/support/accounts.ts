/** What stands for a password in a `[[user]]` of the configuration. */
import { argon2Sync, randomBytes } from "node:crypto";

export function passwordHash(password: string): string {
  const nonce = randomBytes(16);
  const hash = argon2Sync("argon2id", {
    message: password,
    nonce,
    parallelism: 1,
    tagLength: 32,
    memory: 19456,
    passes: 2,
  });
  const encode = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=19456,t=2,p=1$${encode(nonce)}$${encode(hash)}`;
}
