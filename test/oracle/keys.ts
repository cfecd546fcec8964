/** Key pairs for the generators: of ours for tests, never new ones, so that a seed decides all. */
import assert from "node:assert/strict";
import { readPrivateKey, recordText, type SigningKey } from "../../src/dkim/signing-key.ts";
import { testKey } from "../../src/testing/test-crypto.ts";

export interface OracleKey extends Pick<SigningKey, "algorithm" | "key"> {
  readonly pem: string;
  readonly record: string;
}

export const ed25519Keys = [0, 1].map((index) => keyOf(testKey("ed25519", index)));
export const rsaKeys = [0, 1].map((index) => keyOf(testKey("rsa", index)));

function keyOf(pem: string): OracleKey {
  const read = readPrivateKey(pem);
  if (read.kind !== "key") assert.fail(read.problem);
  return { algorithm: read.algorithm, key: read.key, pem, record: recordText(read.key) };
}
