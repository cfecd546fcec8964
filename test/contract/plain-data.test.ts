/** What will cross between threads is plain data: a copy as another thread would get it is equal, and works the same. */
import assert from "node:assert/strict";
import { sign, verify, createPublicKey } from "node:crypto";
import { test } from "node:test";
import { Accounts } from "../../src/accounts/accounts.ts";
import { AccountTable } from "../../src/accounts/account-table.ts";
import type { AccountSettings } from "../../src/accounts/settings.ts";
import { UserStore } from "../../src/accounts/user-store.ts";
import { parseMailbox } from "../../src/address/mailbox-text.ts";
import type { EvaluationNote } from "../../src/intake/evaluation-note.ts";
import type { Admission } from "../../src/policy/admission.ts";
import { SenderAuthentication } from "../../src/policy/authentication/sender-authentication.ts";
import { KeyKeeper } from "../../src/signing/key-keeper.ts";
import { KeyStore } from "../../src/signing/key-store.ts";
import { dkimSettings } from "../../src/signing/settings.ts";
import { SigningKeys } from "../../src/signing/signing-keys.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { ReceivingServer } from "../../src/testing/receiving-server.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { senderSettings, senderZone, strangeClient } from "../../src/testing/sender-zone.ts";
import { signMessage } from "../../src/testing/signed-message.ts";
import { MemorySpool } from "../../src/testing/spool/memory-spool.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { TestCrypto, testKey } from "../../src/testing/test-crypto.ts";

/** The copy is compared with its prototypes, so that no object with methods passes for data. */
function cross<T>(value: T): T {
  const copy = structuredClone(value);
  assert.deepEqual(copy, value);
  return copy;
}

/** Each question and each answer crosses. */
function crossing(admission: Admission, crossed: string[]): Admission {
  const answer = async <T>(name: string, value: T | Promise<T>): Promise<T> => {
    crossed.push(name);
    return cross(await value);
  };
  return {
    serve: (holder) =>
      admission.serve({
        drop: (connection, told) => holder.drop(cross(connection), cross(told)),
        idleSince: async (connections) => answer("idleSince", holder.idleSince(cross(connections))),
      }),
    enter: (newcomer) => answer("enter", admission.enter(cross(newcomer))),
    note: (connection, progress) => admission.note(cross(connection), cross(progress)),
    roomFor: (octets) => answer("roomFor", admission.roomFor(cross(octets))),
    countMessage: (client) => answer("countMessage", admission.countMessage(cross(client))),
    countRecipient: (login, recipient) => answer("countRecipient", admission.countRecipient(login, recipient)),
    refusalOfBan: (client) => answer("refusalOfBan", admission.refusalOfBan(cross(client))),
    noteConduct: (client, conduct) => answer("noteConduct", admission.noteConduct(cross(client), cross(conduct))),
    claimTerms: (domains) => answer("claimTerms", admission.claimTerms(cross(domains))),
  };
}

test("all that sessions ask an admission and hear from it, and the notes for aggregate reports", async () => {
  const crossed: string[] = [];
  const notes: EvaluationNote[] = [];
  await using server = await ReceivingServer.open({
    admission: (admission) => crossing(admission, crossed),
    claim: { leaseMs: 60_000, retryDelaysMs: [60_000, 120_000] },
    limits: { connections: 2, client_message_rate: 2 },
    services: ({ clock, log }) => ({
      authentication: new SenderAuthentication({ resolver: senderZone(), clock, log }, senderSettings({})),
      evaluations: { note: (note) => notes.push(cross(note)) },
    }),
  });
  const stranger = await server.client("mx", strangeClient);
  await stranger.envelope("<chef@example.org>", "<ann@example.org>");
  assert.match(await stranger.content("From: Chef <chef@example.org>\r\nSubject: pay\r\n\r\nnow"), /^250 /);
  await stranger.envelope("<ann@example.org>", "<ann@example.org>");
  const signed = signMessage({ fields: ["From: Ann <ann@example.org>"], names: "from" }).toString("latin1");
  assert.match(await stranger.content(signed), /^250 /);
  await stranger.expect("MAIL FROM:<s@x.example>", "450");
  await server.client("mx");
  await server.clock.advance(10_000);
  assert.match(await (await server.dial("mx")).reply(), /^220 /);
  assert.match(await stranger.reply(), /^421 /);
  assert.deepEqual([...new Set(crossed)].toSorted(), [
    "claimTerms",
    "countMessage",
    "enter",
    "idleSince",
    "noteConduct",
    "refusalOfBan",
    "roomFor",
  ]);
  assert.deepEqual(
    notes.map(({ dkim, isReport }) => [dkim.length, isReport]),
    [
      [0, false],
      [1, false],
    ],
  );
});

test("a snapshot of the keys signs in its copy, and a newer one replaces it", async () => {
  const clock = new ManualClock();
  const keeper = await KeyKeeper.open(
    {
      store: new KeyStore(new MemorySpool({ clock })),
      resolver: new StaticResolver(),
      ...{ clock, random: new SeededRandom(3), log: new CollectingLog() },
    },
    keeperSettings(["first"]),
  );
  let snapshot = cross(keeper.snapshot());
  const keys = new SigningKeys(() => snapshot);
  const [key] = keys.forDomain("news.example.org", clock.now());
  assert.equal(key?.selector, "first");
  assert.ok(key);
  const text = Buffer.from("signed elsewhere");
  const ours = keeper.snapshot().keys[0]?.signing?.key ?? assert.fail("no key");
  assert.ok(verify("sha256", text, createPublicKey(ours), sign("sha256", text, key.key)));
  assert.equal(keeper.snapshot(), keeper.snapshot(), "the same until something changes");

  keeper.reconfigure(keeperSettings(["second"]));
  assert.equal(keys.forDomain("example.org", clock.now())[0]?.selector, "first");
  assert.ok(keeper.snapshot().version > snapshot.version);
  snapshot = cross(keeper.snapshot());
  assert.equal(keys.forDomain("example.org", clock.now())[0]?.selector, "second");
  assert.deepEqual(keys.forDomain("elsewhere.test", clock.now()), []);
  await keeper.close();
});

function keeperSettings(selectors: readonly string[]) {
  const key = selectors.map((selector) => ({ domain: "example.org", selector, key: testKey("rsa") }));
  return { dkim: { ...dkimSettings.parse({ require_published: false }), key }, keepPublishedMs: 1 };
}

test("a snapshot of the accounts makes an equal table in its copy, and each change a newer snapshot", async () => {
  const clock = new ManualClock();
  const store = new UserStore(new MemorySpool({ clock }));
  const settings: AccountSettings = {
    hostname: "mail.example.org",
    domains: [{ name: "example.org", recipients: "known", catch_all: "bob@example.org" }],
    users: [{ address: "ann@example.org", password: "hash:secret" }],
    aliases: [{ address: "info@example.org", to: ["ann@example.org", "x@elsewhere.test"] }],
  };
  const user = { address: "bob@example.org", passwords: ["hash:one"], createdAt: 0 };
  const accounts = await Accounts.open({
    settings,
    store,
    crypto: new TestCrypto(),
    clock,
    random: new SeededRandom(3),
  });
  const before = cross(accounts.snapshot);
  await store.put("bob@example.org", user);
  await accounts.reload();
  const after = cross(accounts.snapshot);
  assert.ok(after.version > before.version);
  assert.deepEqual(after.users, [user]);
  const table = new AccountTable(after);
  for (const address of ["ann@example.org", "INFO@example.org", "bob@example.org", "any@example.org", "x@y.test"]) {
    const mailbox = parseMailbox(address) ?? assert.fail(address);
    assert.deepEqual(table.resolve(mailbox), accounts.resolve(mailbox), address);
  }
});
