/** As whom users may send besides themselves: by `send_as`, and by `posthaste user grant`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../address/mailbox-text.ts";
import { CountingCrypto } from "../testing/counting-crypto.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { AccountError } from "./account-error.ts";
import { Accounts } from "./accounts.ts";
import { grantKey } from "./sender-grants.ts";
import { SenderGrantAdministration } from "./sender-grant-administration.ts";
import type { AccountSettings } from "./settings.ts";
import { UserAdministration } from "./user-administration.ts";
import { UserStore } from "./user-store.ts";

const settings: AccountSettings = {
  hostname: "mail.example.org",
  domains: [{ name: "example.org", recipients: "known" }],
  users: [
    { address: "ann@example.org", send_as: ["support@example.org", "*@bücher.example"] },
    { address: "bob@example.org" },
  ],
  aliases: [],
};

async function open(changes: Partial<AccountSettings> = {}) {
  const clock = new ManualClock();
  const store = new UserStore(new MemorySpool({ clock }));
  const [crypto, random] = [new CountingCrypto(), new SeededRandom(1)];
  const changed = { ...settings, ...changes };
  const accounts = await Accounts.open({ settings: changed, store, crypto, clock, random });
  const users = new UserAdministration({ settings: changed, store, crypto, clock, random });
  const grants = new SenderGrantAdministration({ settings: changed, store, clock });
  const mayUse = (login: string, address: string) => {
    const mailbox = parseMailbox(address);
    assert.ok(mailbox, address);
    return accounts.mayUse(login, mailbox);
  };
  return { store, accounts, users, grants, mayUse };
}

test("a grant is an address or a whole domain, and equal ones are one", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Support@Example.ORG", "support@example.org"],
    ["*@Example.org", "*@example.org"],
    ["*@bücher.example", "*@xn--bcher-kva.example"],
    ["*", undefined],
    ["*@", undefined],
    ["*@[192.0.2.1]", undefined],
    ["ann*@example.org", undefined],
    ["*@*.example.org", undefined],
    ["@example.org", undefined],
    ["support", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of rows) assert.equal(grantKey(text), expected, text);
});

test("send_as lets a user send as an address and as a whole domain, with tags, and nobody else", async () => {
  const { mayUse } = await open();
  for (const address of ["support@example.org", "SUPPORT+shop@example.org", "anyone@xn--bcher-kva.example"]) {
    assert.equal(mayUse("ann@example.org", address), true, address);
    assert.equal(mayUse("bob@example.org", address), false, address);
  }
  for (const address of ["bob@example.org", "anyone@sub.bücher.example", "support2@example.org", "x@elsewhere.test"]) {
    assert.equal(mayUse("ann@example.org", address), false, address);
  }
});

test("a grant counts from the next message on, and ends with its removal", async () => {
  const { accounts, grants, mayUse } = await open();
  await grants.add("Bob@example.org", "*@Example.org");
  await grants.add("bob@example.org", "press@elsewhere.test");
  assert.equal(mayUse("bob@example.org", "anyone@example.org"), false, "before the accounts are told");
  await accounts.reload();
  assert.equal(mayUse("bob@example.org", "ann@example.org"), true);
  assert.equal(mayUse("bob@example.org", "press@elsewhere.test"), true);
  assert.deepEqual(await grants.list("bob@example.org"), [
    { address: "*@Example.org", origin: "stored" },
    { address: "press@elsewhere.test", origin: "stored" },
  ]);
  await grants.remove("bob@example.org", "*@EXAMPLE.org");
  await accounts.reload();
  assert.equal(mayUse("bob@example.org", "ann@example.org"), false);
  assert.equal(mayUse("bob@example.org", "press@elsewhere.test"), true);
});

test("what cannot be granted is said, those of the file are listed and changed there", async () => {
  const { grants } = await open();
  assert.deepEqual(await grants.list("ann@example.org"), [
    { address: "support@example.org", origin: "configuration" },
    { address: "*@bücher.example", origin: "configuration" },
  ]);
  const failing: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["invalid-grant", () => grants.add("ann@example.org", "a*@example.org")],
    ["not-found", () => grants.add("ghost@example.org", "x@example.org")],
    ["not-found", () => grants.list("ghost@example.org")],
    ["not-found", () => grants.remove("ann@example.org", "x@example.org")],
    ["read-only", () => grants.remove("ann@example.org", "SUPPORT@example.org")],
    ["invalid-address", () => grants.add("ann", "x@example.org")],
    ["exists", () => grants.add("bob@example.org", "X@example.org")],
  ];
  await grants.add("bob@example.org", "x@example.org");
  for (const [code, run] of failing) {
    await assert.rejects(run, (error) => error instanceof AccountError && error.code === code, code);
  }
  for (let count = 1; count < 100; count++) await grants.add("bob@example.org", `x${count}@example.org`);
  await assert.rejects(grants.add("bob@example.org", "one-more@example.org"), /100 grants already/);
});

test("grants end with their user, and users whom only Dovecot knows can have some", async () => {
  const { store, accounts, users, grants, mayUse } = await open({ outsideUsers: true });
  await users.add("eve@example.org", "secret");
  await grants.add("eve@example.org", "*@example.org");
  await users.remove("eve@example.org");
  assert.deepEqual(await store.grants.list(), []);
  await grants.add("dora@example.org", "support@example.org");
  await accounts.reload();
  assert.equal(mayUse("dora@example.org", "support@example.org"), true);
  assert.deepEqual(await grants.list("nobody@example.org"), []);
  await users.add("dora@example.org", "secret");
  await accounts.reload();
  assert.equal(mayUse("dora@example.org", "support@example.org"), false, "perhaps another person");
});

test("a damaged stored grant is reported, not skipped", async () => {
  const spool = new MemorySpool({ clock: new ManualClock() });
  await spool.changeRecords([{ kind: "put", namespace: "sender-grants", key: "aa", value: { version: 2 } }]);
  await assert.rejects(new UserStore(spool).grants.list(), /stored grant aa cannot be read/);
});
