/** Keys of users: what is read of a file, whom a certificate stands for, and what `posthaste user key` keeps. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import type { ClientCertificate } from "../ports/client-certificate.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { annCertificate } from "../testing/client-certificates.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { TestCrypto } from "../testing/test-crypto.ts";
import { Accounts } from "./accounts.ts";
import type { AccountSettings } from "./settings.ts";
import { AccountError } from "./account-error.ts";
import { UserAdministration } from "./user-administration.ts";
import { UserKeyAdministration } from "./user-key-administration.ts";
import { readUserKey } from "./user-keys.ts";
import { UserStore } from "./user-store.ts";

const settings: AccountSettings = {
  hostname: "mail.example.org",
  domains: [{ name: "example.org", recipients: "known" }],
  users: [{ address: "Ann@example.org" }, { address: "bob@example.org" }],
  aliases: [],
};

function publicKey(): string {
  return generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString();
}

async function open() {
  const clock = new ManualClock();
  const store = new UserStore(new MemorySpool({ clock }));
  const crypto = new TestCrypto();
  const random = new SeededRandom(1);
  const accounts = await Accounts.open({ settings, store, crypto, clock, random });
  const keys = new UserKeyAdministration({ settings, store, clock });
  const users = new UserAdministration({ settings, store, crypto, clock, random });
  const signIn = (certificate: Partial<ClientCertificate>, authorizationId = "", identity?: "email" | "common-name") =>
    accounts.authenticate(
      {
        kind: "certificate",
        authorizationId,
        certificate: { keySha256: "", subject: "CN=x", trusted: false, emails: [], ...certificate },
        identity,
      },
      "192.0.2.1",
    );
  return { clock, store, accounts, keys, users, signIn };
}

test("a key is read from a certificate or a public key, and a private key is not taken", () => {
  const fromCertificate = readUserKey(annCertificate.certificatePem);
  assert.ok(fromCertificate.kind === "key");
  const { publicKey: key, validTo } = new X509Certificate(annCertificate.certificatePem);
  const fromKey = readUserKey(key.export({ type: "spki", format: "pem" }).toString());
  assert.ok(fromKey.kind === "key");
  assert.equal(fromKey.sha256, fromCertificate.sha256);
  assert.match(fromKey.sha256, /^[0-9a-f]{64}$/);
  assert.equal(fromCertificate.expiresAt, Date.parse(validTo));
  assert.equal(fromKey.expiresAt, undefined);
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  for (const [pem, words] of [
    [annCertificate.keyPem, /private key/],
    [`${annCertificate.certificatePem}${annCertificate.keyPem}`, /private key/],
    [weak.export({ type: "spki", format: "pem" }).toString(), /at least 2048 bits/],
    ["ssh-ed25519 AAAA", /neither/],
    ["", /neither/],
    ["x".repeat(40_000), /larger/],
  ] as const) {
    const read = readUserKey(pem);
    assert.ok(read.kind === "problem", pem.slice(0, 30));
    assert.match(read.problem, words);
  }
});

test("AUTH-032: a registered key signs in as its user until it expires or is removed", async () => {
  const { clock, accounts, keys, signIn } = await open();
  const { sha256 } = await keys.add("ann@example.org", publicKey(), {
    label: "laptop",
    expiresAt: clock.now() + 10_000,
  });
  const certificate = { keySha256: sha256 };
  assert.deepEqual(await signIn(certificate), { kind: "refused", reason: "unknown-key" }, "before the reload");
  await accounts.reload();
  const accepted = { kind: "accepted", login: "Ann@example.org", by: "key laptop" };
  assert.deepEqual(await signIn(certificate), accepted);
  assert.deepEqual(await signIn(certificate, "ANN@example.org"), accepted);
  assert.deepEqual(await signIn(certificate, "bob@example.org"), { kind: "refused", reason: "other-identity" });
  assert.deepEqual(await signIn({ keySha256: "00" }), { kind: "refused", reason: "unknown-key" });
  await clock.advance(10_000);
  assert.equal((await signIn(certificate)).kind, "refused");

  const { label } = await keys.add("ann@example.org", publicKey());
  assert.equal(label, "key-1");
  const [, second] = await keys.list("ann@example.org");
  assert.ok(second);
  await accounts.reload();
  assert.equal((await signIn({ keySha256: second.sha256 })).kind, "accepted");
  await keys.remove("ann@example.org", "key-1");
  await accounts.reload();
  assert.equal((await signIn({ keySha256: second.sha256 })).kind, "refused");
});

test("the names of a certificate count only where an authority vouches for it and the listener reads them", async () => {
  const { signIn, accounts } = await open();
  const emails = ["ann@example.org"];
  const kindOf = async (...given: Parameters<typeof signIn>) => (await signIn(...given)).kind;
  assert.equal(await kindOf({ emails, trusted: true }, "", "email"), "accepted");
  assert.equal(await kindOf({ emails, trusted: false }, "", "email"), "refused");
  assert.equal(await kindOf({ emails, trusted: true }), "refused");
  assert.equal(await kindOf({ emails, trusted: true }, "", "common-name"), "refused");
  assert.equal(await kindOf({ commonName: "bob@example.org", trusted: true }, "", "common-name"), "accepted");
  assert.equal(await kindOf({ emails: ["ghost@example.org"], trusted: true }, "", "email"), "refused");
  for (const commonName of ["b\u00adob@example.org", "ｂｏｂ@example.org", "bob\u200b@example.org"]) {
    assert.equal(await kindOf({ commonName, trusted: true }, "", "common-name"), "refused", "another name for the CA");
  }
  assert.equal(await kindOf({ emails: ["no address", "\u0000"], trusted: true }, "", "email"), "refused");
  const two = { emails: ["ann@example.org", "bob@example.org"], trusted: true };
  assert.deepEqual(await signIn(two, "", "email"), { kind: "refused", reason: "other-identity" });
  assert.equal(await kindOf(two, "bob@example.org", "email"), "accepted");
  const shown = { certificate: { keySha256: "", subject: "", ...two }, identity: "email" } as const;
  assert.equal(accounts.knowsCertificate(shown), true);
  assert.equal(accounts.knowsCertificate({ ...shown, identity: undefined }), false);
});

test("the last use of a key is kept, ten minutes exact", async () => {
  const { clock, accounts, keys, signIn } = await open();
  const { sha256 } = await keys.add("bob@example.org", publicKey());
  await accounts.reload();
  const lastUse = async () => (await keys.list("bob@example.org"))[0]?.lastUsedAt;
  assert.equal(await lastUse(), undefined);
  await signIn({ keySha256: sha256 });
  const first = clock.now();
  assert.equal(await lastUse(), first);
  await clock.advance(599_999);
  await signIn({ keySha256: sha256 });
  assert.equal(await lastUse(), first);
  await clock.advance(1);
  await signIn({ keySha256: sha256 });
  assert.equal(await lastUse(), clock.now());
});

test("a key belongs to one user, labels differ, and the keys of a removed user are gone", async () => {
  const { accounts, clock, keys, users, signIn, store } = await open();
  const pem = publicKey();
  await users.add("eve@example.org", "secret");
  const { sha256 } = await keys.add("eve@example.org", pem, { label: "phone" });
  const failing: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["exists", () => keys.add("ann@example.org", pem)],
    ["exists", () => keys.add("eve@example.org", publicKey(), { label: "phone" })],
    ["invalid-key", () => keys.add("eve@example.org", publicKey(), { label: "../x" })],
    ["invalid-key", () => keys.add("eve@example.org", publicKey(), { expiresAt: clock.now() })],
    ["invalid-key", () => keys.add("eve@example.org", "nothing")],
    ["not-found", () => keys.add("ghost@example.org", publicKey())],
    ["invalid-address", () => keys.list("ghost")],
    ["not-found", () => keys.remove("ann@example.org", "phone")],
  ];
  for (const [code, run] of failing) {
    await assert.rejects(run, (error) => error instanceof AccountError && error.code === code, code);
  }
  await users.remove("eve@example.org");
  await users.add("eve@example.org", "another person");
  await accounts.reload();
  assert.equal((await signIn({ keySha256: sha256 })).kind, "refused");
  assert.deepEqual(await store.keys.list(), []);
  for (let count = 0; count < 64; count++) await keys.add("ann@example.org", publicKey());
  await assert.rejects(keys.add("ann@example.org", publicKey()), /64 keys already/);
});

test("the keys of a user who left the configuration file can be removed, and are not those of a new user", async () => {
  const { clock, store, users, keys, signIn, accounts } = await open();
  const carl = { ...settings, users: [{ address: "Carl@example.org" }] };
  const former = new UserKeyAdministration({ settings: carl, store, clock });
  const pem = publicKey();
  const { sha256 } = await former.add("carl@example.org", pem, { label: "laptop" });
  await former.add("carl@example.org", publicKey(), { label: "phone" });
  const left = await keys.list("CARL@example.org");
  assert.deepEqual(left.map(({ label, address }) => `${label} ${address}`).toSorted(), [
    "laptop CARL@example.org",
    "phone CARL@example.org",
  ]);
  await keys.remove("carl@example.org", "phone");
  assert.equal((await store.keys.list()).length, 1);

  await users.add("carl@example.org", "another person");
  await accounts.reload();
  assert.deepEqual(await signIn({ keySha256: sha256 }), { kind: "refused", reason: "unknown-key" });
  assert.deepEqual(await keys.list("carl@example.org"), []);
  assert.equal((await keys.add("ann@example.org", pem)).label, "key-1", "the key is free for somebody else");
});

test("a damaged stored key is reported, not skipped", async () => {
  const spool = new MemorySpool({ clock: new ManualClock() });
  await spool.changeRecords([{ kind: "put", namespace: "user-keys", key: "aa", value: { version: 2 } }]);
  await assert.rejects(new UserStore(spool).keys.list(), /stored key aa cannot be read/);
});
