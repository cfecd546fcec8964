/** App passwords: what they open, by which mechanism, what survives what, and that no work tells who exists. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { CountingCrypto } from "../testing/counting-crypto.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { clientProof, isProof, type ScramVerifier } from "../sasl/scram-verifier.ts";
import { AccountError } from "./account-error.ts";
import { Accounts } from "./accounts.ts";
import { AppPasswordAdministration } from "./app-password-administration.ts";
import { appPasswordId, makeAppPassword } from "./app-passwords.ts";
import type { AccountSettings } from "./settings.ts";
import { UserAdministration } from "./user-administration.ts";
import { UserStore } from "./user-store.ts";

const settings: AccountSettings = {
  hostname: "mail.example.org",
  domains: [{ name: "example.org", recipients: "known" }],
  users: [{ address: "carl@example.org" }],
  aliases: [],
};

async function open() {
  const clock = new ManualClock();
  const store = new UserStore(new MemorySpool({ clock }));
  const crypto = new CountingCrypto();
  const random = new SeededRandom(1);
  const users = new UserAdministration({ settings, store, crypto, clock, random });
  await users.add("Ann@example.org", "own password");
  await users.add("bob@example.org", "password of bob");
  const accounts = await Accounts.open({ settings, store, crypto, clock, random });
  const appPasswords = new AppPasswordAdministration({ settings, store, clock, crypto, random });
  const add = async (address: string, label: string, scopes: ("send" | "reports" | "admin")[] = ["send"]) => {
    const { password } = await appPasswords.add(address, { label, scopes });
    await accounts.reload();
    return password;
  };
  const signIn = (username: string, password: string) =>
    accounts.authenticate({ kind: "password", username, password, authorizationId: "" }, "192.0.2.1");
  /** As a client that knows the password proves it. */
  const prove = async (username: string, password: string) => {
    const verifiers = accounts.verifiersOf(username, "sha256");
    const [first] = verifiers;
    assert.ok(first);
    const proof = clientProof("sha256", await crypto.deriveKey(password, first as Salted), "the exchange");
    const verifier = verifiers.find((one) => isProof(proof, one, "the exchange"));
    return accounts.authenticate({ kind: "proof", username, authorizationId: "", verifier }, "192.0.2.1");
  };
  return { clock, store, crypto, users, accounts, appPasswords, add, signIn, prove };
}

type Salted = ScramVerifier & { readonly digest: "sha1" | "sha256" };

test("an app password is 120 bits in six groups, and never stored", async () => {
  const password = makeAppPassword(new SeededRandom(3));
  assert.match(password, /^[a-z2-7]{4}(?:-[a-z2-7]{4}){5}$/);
  assert.equal(
    makeAppPassword({ next: () => 0, bytes: (length) => new Uint8Array(length) }),
    "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa",
  );
  const many = new Set(Array.from({ length: 1000 }, (_, seed) => makeAppPassword(new SeededRandom(seed))));
  assert.equal(many.size, 1000);
  const { store, add } = await open();
  const made = await add("ann@example.org", "phone");
  assert.equal(JSON.stringify(await store.appPasswords.list()).includes(made), false);
});

test("an app password signs in by PLAIN and by SCRAM beside the user's own, and says by which", async () => {
  const { accounts, add, signIn, prove } = await open();
  const phone = await add("ann@example.org", "phone");
  const laptop = await add("ann@example.org", "laptop");
  const by = (label: string) => ({ kind: "accepted", login: "Ann@example.org", by: `app password ${label}` });
  assert.deepEqual(await signIn("ANN@example.org", phone), by("phone"));
  assert.deepEqual(await prove("ann@example.org", phone), by("phone"));
  assert.deepEqual(await prove("ann@example.org", laptop), by("laptop"));
  assert.deepEqual(await signIn("ann@example.org", "own password"), { kind: "accepted", login: "Ann@example.org" });
  assert.deepEqual(await prove("ann@example.org", "own password"), { kind: "accepted", login: "Ann@example.org" });
  assert.equal((await signIn("bob@example.org", phone)).kind, "refused", "it is the password of one user");
  assert.equal((await prove("bob@example.org", phone)).kind, "refused");
  assert.deepEqual([...accounts.signInMeans().verifiers], ["sha256"], "SCRAM can succeed for everybody");
});

test("app passwords survive a change of the password, by SCRAM too, and end by removal at the next sign-in", async () => {
  const { accounts, users, appPasswords, add, signIn, prove } = await open();
  const phone = await add("ann@example.org", "phone");
  await users.changePassword("ann@example.org", "new password");
  await accounts.reload();
  for (const ask of [signIn, prove]) {
    assert.equal((await ask("ann@example.org", phone)).kind, "accepted");
    assert.equal((await ask("ann@example.org", "new password")).kind, "accepted");
    assert.equal((await ask("ann@example.org", "own password")).kind, "refused");
  }
  const begun = accounts.verifiersOf("ann@example.org", "sha256");
  await appPasswords.remove("ann@example.org", "phone");
  await accounts.reload();
  assert.deepEqual(await signIn("ann@example.org", phone), { kind: "refused", reason: "wrong-password" });
  const results = begun.map((verifier) =>
    accounts.authenticate({ kind: "proof", username: "ann@example.org", authorizationId: "", verifier }, "192.0.2.9"),
  );
  const accepted = (await Promise.all(results)).filter(({ kind }) => kind === "accepted");
  assert.deepEqual(accepted, [{ kind: "accepted", login: "Ann@example.org" }], "an exchange under way has ended, too");
});

test("a new password has a new salt where no app password depends on the old one", async () => {
  const { accounts, users } = await open();
  const before = accounts.verifiersOf("bob@example.org", "sha256")[0]?.salt;
  await users.changePassword("bob@example.org", "password of bob");
  await accounts.reload();
  assert.notDeepEqual(accounts.verifiersOf("bob@example.org", "sha256")[0]?.salt, before);
});

test("the scope decides: mail, reports, or the whole API; the user's own password never opens the API", async () => {
  const { accounts, add, signIn, prove } = await open();
  const [send, reports, admin] = [
    await add("ann@example.org", "send"),
    await add("ann@example.org", "reports", ["reports"]),
    await add("ann@example.org", "admin", ["admin"]),
  ];
  const outOfScope = { kind: "refused", reason: "out-of-scope" };
  const kindOf = async (password: string, scope: "reports" | "admin") => {
    const result = await accounts.authenticateForApi({ username: "ann@example.org", password }, scope);
    return result.kind === "refused" ? result.reason : result.kind;
  };
  assert.deepEqual(await signIn("ann@example.org", reports), outOfScope);
  assert.deepEqual(await signIn("ann@example.org", admin), outOfScope);
  assert.equal((await prove("ann@example.org", admin)).kind, "refused");
  assert.equal(await kindOf(send, "reports"), "out-of-scope");
  assert.equal(await kindOf(reports, "reports"), "accepted");
  assert.equal(await kindOf(reports, "admin"), "out-of-scope");
  assert.equal(await kindOf(admin, "reports"), "accepted");
  assert.equal(await kindOf(admin, "admin"), "accepted");
  assert.equal(await kindOf("own password", "admin"), "wrong-password");
  assert.deepEqual([...accounts.signInMeans().verifiers], ["sha256"], "those for the API do not count for mail");
});

test("the last use is kept, ten minutes exact, and labels tell app passwords apart", async () => {
  const { clock, appPasswords, add, signIn } = await open();
  const phone = await add("carl@example.org", "phone");
  const lastUse = async () => (await appPasswords.list("carl@example.org"))[0]?.lastUsedAt;
  assert.equal(await lastUse(), undefined);
  await signIn("carl@example.org", phone);
  const first = clock.now();
  await clock.advance(599_999);
  await signIn("carl@example.org", phone);
  assert.equal(await lastUse(), first);
  await clock.advance(1);
  await signIn("carl@example.org", phone);
  assert.equal(await lastUse(), clock.now());
  const failing: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["exists", () => appPasswords.add("carl@example.org", { label: "phone", scopes: ["send"] })],
    ["invalid-app-password", () => appPasswords.add("carl@example.org", { label: "a/b", scopes: ["send"] })],
    ["invalid-app-password", () => appPasswords.add("carl@example.org", { scopes: [] })],
    ["not-found", () => appPasswords.add("ghost@example.org", { scopes: ["send"] })],
    ["not-found", () => appPasswords.list("ghost@example.org")],
    ["not-found", () => appPasswords.remove("carl@example.org", "tablet")],
    ["invalid-address", () => appPasswords.list("carl")],
  ];
  for (const [code, run] of failing) {
    await assert.rejects(run, (error) => error instanceof AccountError && error.code === code, code);
  }
  for (let count = 1; count < 32; count++) await appPasswords.add("carl@example.org", { scopes: ["admin"] });
  await assert.rejects(appPasswords.add("carl@example.org", { scopes: ["send"] }), /32 app passwords already/);
});

test("a user who is removed takes the app passwords along, and one of that name who comes later has none", async () => {
  const { accounts, store, users, add, signIn } = await open();
  const phone = await add("bob@example.org", "phone");
  await users.remove("bob@example.org");
  assert.deepEqual(await store.appPasswords.list(), []);
  // Left of a user whom the configuration file had.
  const id = appPasswordId("bob@example.org", phone);
  const left = { id, user: "bob@example.org", label: "left", scopes: ["send"], scram: [], createdAt: 1 } as const;
  await store.appPasswords.add(left);
  await accounts.reload();
  assert.deepEqual(await signIn("bob@example.org", phone), { kind: "refused", reason: "unknown-user" });
  await users.add("bob@example.org", "another person");
  await accounts.reload();
  assert.equal((await signIn("bob@example.org", phone)).kind, "refused");
});

test("AUTH-033: a failed sign-in is the same work whether there is such a user, and whatever the user has", async () => {
  const { crypto, accounts, add, signIn } = await open();
  for (const label of ["phone", "laptop", "tablet"]) await add("ann@example.org", label);
  const api = (username: string, password: string) => accounts.authenticateForApi({ username, password }, "admin");
  const names = ["ann@example.org", "bob@example.org", "carl@example.org", "ghost@example.org", "no address"];
  for (const ask of [signIn, api]) {
    const work = new Map<string, string>();
    for (const name of names) {
      crypto.work.length = 0;
      assert.equal((await ask(name, "wrong")).kind, "refused");
      work.set(name, crypto.work.toSorted().join(", "));
    }
    assert.equal(new Set(work.values()).size, 1, JSON.stringify([...work]));
  }
  const tried = names.map((name) => accounts.verifiersOf(name, "sha256").length);
  assert.deepEqual(tried, [4, 4, 4, 4, 4], "as many proofs are tried for everybody");
});

test("a damaged stored app password is reported, not skipped", async () => {
  const spool = new MemorySpool({ clock: new ManualClock() });
  await spool.changeRecords([{ kind: "put", namespace: "app-passwords", key: "aa", value: { version: 2 } }]);
  await assert.rejects(new UserStore(spool).appPasswords.list(), /stored app password aa cannot be read/);
});
