/** Passwords: hashed, checked, bounded. */
import assert from "node:assert/strict";
import { argon2Sync, createPrivateKey, createPublicKey, verify } from "node:crypto";
import { test } from "node:test";

import { ManualClock } from "../../testing/manual-clock.ts";
import { formatArgon2id, parseArgon2id } from "./argon2id-phc.ts";
import { ThreadPoolCrypto } from "./thread-pool-crypto.ts";

/** A verifier that is cheap to check. */
function verifier(password: string): string {
  const salt = Buffer.from("saltsaltsalt");
  const hash = argon2Sync("argon2id", {
    message: password,
    nonce: salt,
    memory: 64,
    passes: 1,
    parallelism: 1,
    tagLength: 32,
  });
  return formatArgon2id({ memoryKib: 64, passes: 1, lanes: 1, salt, hash });
}

test("a hashed password verifies, another does not, and two hashes of one password differ", async () => {
  const crypto = new ThreadPoolCrypto(new ManualClock());
  const [first, second] = await Promise.all([crypto.hashPassword("pässword"), crypto.hashPassword("pässword")]);
  assert.match(first, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(first, second);
  assert.equal(await crypto.verifyPassword("pässword", first), true);
  assert.equal(await crypto.verifyPassword("pässwort", first), false);
  assert.equal(await crypto.verifyPassword("", first), false);
});

test("verifiers of the reference implementation are read (its own test: 64 MiB, two passes)", async () => {
  const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  const crypto = new ThreadPoolCrypto(new ManualClock());
  assert.equal(await crypto.verifyPassword("password", phc), true);
  assert.equal(await crypto.verifyPassword("Password", phc), false);
});

test("what is no argon2id verifier, or asks for too much, is false without work", async () => {
  const crypto = new ThreadPoolCrypto(new ManualClock());
  const tail = "$c29tZXNhbHRzYWx0$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  for (const phc of [
    "",
    "secret",
    "$2b$12$abcdefghijklmnopqrstuv",
    `$argon2i$v=19$m=64,t=1,p=1${tail}`,
    `$argon2id$v=16$m=64,t=1,p=1${tail}`,
    `$argon2id$v=19$m=9999999,t=1,p=1${tail}`,
    `$argon2id$v=19$m=262144,t=16,p=1${tail}`,
    `$argon2id$v=19$m=64,t=99,p=1${tail}`,
    `$argon2id$v=19$m=64,t=1,p=99${tail}`,
    `$argon2id$v=19$m=64,t=1,p=9${tail}`,
    `$argon2id$v=19$m=064,t=1,p=1${tail}`,
    `$argon2id$v=19$m=64,t=1,p=1${tail}=`,
    `$argon2id$v=19$m=64,t=1,p=1${tail}\n`,
    `$argon2id$v=19$m=64,t=1,p=1$c2FsdA$YWJj`,
    `$argon2id$v=19$m=64,t=1,p=1${tail}${"A".repeat(300)}`,
  ]) {
    assert.equal(await crypto.verifyPassword("secret", phc), false, phc);
    assert.equal(parseArgon2id(phc), undefined, phc);
  }
});

test("a right password is remembered for a minute, a wrong one never", async () => {
  const clock = new ManualClock();
  const crypto = new ThreadPoolCrypto(clock);
  const phc = verifier("secret");
  const settledAtOnce = async (password: string) => {
    const state = { settled: false };
    const verdict = crypto.verifyPassword(password, phc).then((right) => {
      state.settled = true;
      return right;
    });
    // Without the thread pool the answer is there before the event loop turns.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    return { atOnce: state.settled, right: await verdict };
  };
  assert.deepEqual(await settledAtOnce("secret"), { atOnce: false, right: true });
  assert.deepEqual(await settledAtOnce("secret"), { atOnce: true, right: true });
  assert.deepEqual(await settledAtOnce("wrong"), { atOnce: false, right: false });
  assert.deepEqual(await settledAtOnce("wrong"), { atOnce: false, right: false });
  await clock.advance(60_000);
  assert.deepEqual(await settledAtOnce("secret"), { atOnce: false, right: true });
});

test("more waiting checks than can be done in time are turned away, and the rest still get their answer", async () => {
  const crypto = new ThreadPoolCrypto(new ManualClock());
  const phc = verifier("secret");
  const results = await Promise.allSettled(Array.from({ length: 300 }, () => crypto.verifyPassword("secret", phc)));
  const turnedAway = results.filter(({ status }) => status === "rejected").length;
  assert.equal(turnedAway, 44);
  assert.ok(results.every((result) => result.status === "rejected" || result.value));
  assert.equal(await crypto.verifyPassword("secret", phc), true);
  await assert.rejects(crypto.hashPassword("x".repeat(2000)), RangeError);
  assert.equal(await crypto.verifyPassword("x".repeat(2000), phc), false);
});

test("RSA keys are made and sign, some at a time, without waiting for a password that is being checked", async () => {
  const crypto = new ThreadPoolCrypto(new ManualClock());
  const pem = await crypto.generateKey({ type: "rsa", bits: 2048 });
  const key = createPrivateKey(pem);
  assert.equal(key.asymmetricKeyDetails?.modulusLength, 2048);
  const order: string[] = [];
  const logins = Array.from({ length: 20 }, async () => {
    await crypto.hashPassword("secret");
    order.push("password");
  });
  const data = Buffer.from("canonical");
  const signatures = await Promise.all(Array.from({ length: 9 }, () => crypto.signRsaSha256(key, data)));
  order.push("signatures");
  for (const signature of signatures) assert.ok(verify("sha256", data, createPublicKey(pem), signature));
  await Promise.all(logins);
  assert.notEqual(order.at(-1), "signatures");
  await assert.rejects(crypto.signRsaSha256(createPublicKey(pem), data));
  assert.ok(await crypto.signRsaSha256(key, data));
});

test("PBKDF2 derives the keys of published test vectors", async () => {
  const crypto = new ThreadPoolCrypto(new ManualClock());
  const key = await crypto.deriveKey("passwd", { digest: "sha256", iterations: 1, salt: Buffer.from("salt") });
  assert.equal(Buffer.from(key).toString("hex"), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  const older = await crypto.deriveKey("password", { digest: "sha1", iterations: 2, salt: Buffer.from("salt") });
  assert.equal(Buffer.from(older).toString("hex"), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
});

test("Ed25519 keys are made as PKCS#8", async () => {
  const key = createPrivateKey(await new ThreadPoolCrypto(new ManualClock()).generateKey({ type: "ed25519" }));
  assert.equal(key.asymmetricKeyType, "ed25519");
});
