import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { parseForwardPath } from "../address/path.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { CountingCrypto } from "../testing/counting-crypto.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { Accounts } from "./accounts.ts";
import { AnyAccounts } from "./any-accounts.ts";
import { entriesMax, FailureTable } from "./failure-table.ts";
import { KnownNetworks } from "./known-networks.ts";
import { defaultSignInLimits, MemorySignInLimits } from "./sign-in-limits.ts";
import type { AccountSettings } from "./settings.ts";
import { AccountError } from "./account-error.ts";
import { UserAdministration } from "./user-administration.ts";
import { UserStore } from "./user-store.ts";

const settings: AccountSettings = {
  hostname: "mail.example.org",
  domains: [
    { name: "example.org", recipients: "known" },
    { name: "bücher.example", recipients: "known", catch_all: "ann@example.org" },
    { name: "backend.test", recipients: "any" },
  ],
  users: [
    { address: "Ann@example.org", password: "hash:secret" },
    { address: "bob@example.org", password: ["hash:one", "hash:two"] },
    { address: "josé@example.org" },
  ],
  aliases: [
    { address: "info@example.org", to: ["ann@example.org", "bob@elsewhere.test"] },
    { address: "sales@example.org", to: ["bob@example.org"] },
    { address: "all@example.org", to: ["info@example.org", "bob@example.org", "Bob@Example.ORG", "ghost@example.org"] },
    { address: "ping@example.org", to: ["pong@example.org"] },
    { address: "pong@example.org", to: ["ping@example.org"] },
  ],
};

async function open(changes: Partial<AccountSettings> = {}) {
  const clock = new ManualClock();
  const crypto = new CountingCrypto();
  const store = new UserStore(new MemorySpool({ clock }));
  const changed = { ...settings, ...changes };
  const accounts = await Accounts.open({ settings: changed, store, crypto, clock, random: new SeededRandom(1) });
  return { accounts, clock, crypto, store, settings: changed };
}

function path(text: string): Mailbox {
  const parsed = parseForwardPath(`<${text}>`, { smtpUtf8: true });
  assert.ok(parsed.kind === "path", text);
  return parsed.path;
}

const login = (username: string, password: string, authorizationId = "") =>
  ({ kind: "password", username, password, authorizationId }) as const;

test("SMTP-005: users are found in any letter case, and their addresses keep it", async () => {
  const { accounts } = await open();
  assert.deepEqual(accounts.resolve(path("aNN@Example.Org")), {
    kind: "local",
    via: "user",
    targets: [{ address: "aNN@Example.Org", domain: "example.org", key: "ann@example.org", user: "ann@example.org" }],
    setting: "user Ann@example.org",
  });
});

test("sub-addresses belong to the user; a name that is only a tag is nobody's", async () => {
  const { accounts } = await open();
  const tagged = accounts.resolve(path("ann+Shop@example.org"));
  assert.ok(tagged.kind === "local");
  assert.deepEqual(tagged.targets, [
    { address: "ann+Shop@example.org", domain: "example.org", key: "ann+shop@example.org", user: "ann@example.org" },
  ]);
  assert.equal(accounts.resolve(path("+ann@example.org")).kind, "unknown");
  assert.equal(accounts.resolve(path("nobody+ann@example.org")).kind, "unknown");
});

test("SMTP-027: all quoted spellings of one name are one user, and an @ in quotes is no domain", async () => {
  const { accounts } = await open();
  for (const text of ['"ann"@example.org', '"\\a\\n\\n"@example.org']) {
    const resolution = accounts.resolve(path(text));
    assert.ok(resolution.kind === "local", text);
    assert.equal(resolution.targets[0]?.user, "ann@example.org");
  }
  assert.equal(accounts.resolve(path('"u@evil.test"@example.org')).kind, "unknown");
  assert.equal(accounts.resolve(path('"ann@example.org"@evil.test')).kind, "not-local");
});

test("EAI-007: A- and U-labels of a local domain are equal", async () => {
  const { accounts } = await open();
  for (const text of ["x@bücher.example", "x@xn--bcher-kva.example", "x@BÜCHER.example"]) {
    const resolution = accounts.resolve(path(text));
    assert.ok(resolution.kind === "local" && resolution.via === "catch-all", text);
    assert.equal(resolution.targets[0]?.user, "ann@example.org");
  }
});

test("EAI-011: composed and decomposed letters are one mailbox; compatibility forms are not folded", async () => {
  const { accounts } = await open();
  assert.equal(accounts.resolve(path("jose\u0301@example.org")).kind, "local");
  assert.equal(accounts.resolve(path("JOSÉ@example.org")).kind, "local");
  assert.equal(accounts.resolve(path("ａnn@example.org")).kind, "unknown");
});

test("SMTP-033: postmaster exists at every domain, at our name and address, and without a domain", async () => {
  const { accounts } = await open();
  const names = ["PostMaster", "POSTMASTER@example.org", "postmaster+tag@example.org", "Postmaster@mail.example.org"];
  for (const name of [...names, "postmaster@bücher.example", "postmaster@[192.0.2.1]"]) {
    const resolution = accounts.resolve(path(name), "192.0.2.1");
    assert.ok(resolution.kind === "local", name);
    assert.equal(resolution.targets[0]?.user, "ann@example.org", name);
  }
  assert.equal(accounts.resolve(path("other@mail.example.org")).kind, "unknown");

  const { accounts: declared } = await open({
    aliases: [{ address: "postmaster@example.org", to: ["bob@example.org"] }],
  });
  for (const name of ["postmaster", "postmaster@example.org", "postmaster@mail.example.org"]) {
    const resolution = declared.resolve(path(name));
    assert.ok(resolution.kind === "local", name);
    assert.equal(resolution.targets[0]?.user, "bob@example.org", name);
  }

  const { accounts: bare } = await open({ domains: [], users: [], aliases: [] });
  const own = bare.resolve(path("postmaster"));
  assert.ok(own.kind === "local");
  assert.equal(own.targets[0]?.address, "postmaster@mail.example.org");
});

test("mailer-daemon and the sender of daily reports lead to postmaster, unless they are mailboxes", async () => {
  const target = (accounts: Accounts, name: string): string | undefined => {
    const resolution = accounts.resolve(path(name));
    return resolution.kind === "local" ? resolution.targets[0]?.user : undefined;
  };
  const { accounts } = await open({
    reportSender: "dmarc@example.org",
    aliases: [{ address: "postmaster@example.org", to: ["bob@example.org"] }],
  });
  for (const name of ["MAILER-DAEMON@mail.example.org", "mailer-daemon@example.org", "dmarc@Example.org"]) {
    assert.equal(target(accounts, name), "bob@example.org", name);
  }
  assert.equal(target(accounts, "mailer-daemon@bücher.example"), target(accounts, "postmaster@bücher.example"));
  assert.equal(accounts.resolve(path("dmarc@mail.example.org")).kind, "unknown");
  assert.equal(accounts.resolve(path("mailer-daemon-x@mail.example.org")).kind, "unknown");

  const { accounts: atHost } = await open({ reportSender: "dmarc@mail.example.org" });
  assert.equal(target(atHost, "dmarc@mail.example.org"), "ann@example.org");

  const { accounts: own } = await open({
    reportSender: "sales@example.org",
    aliases: [
      { address: "mailer-daemon@example.org", to: ["bob@example.org"] },
      { address: "sales@example.org", to: ["bob@example.org"] },
    ],
  });
  assert.equal(target(own, "mailer-daemon@mail.example.org"), "bob@example.org");
  assert.equal(target(own, "sales@example.org"), "bob@example.org");

  const { accounts: bare } = await open({ domains: [], users: [], aliases: [] });
  assert.equal(bare.resolve(path("mailer-daemon@mail.example.org")).kind, "local");
});

test("a quoted local-part that begins with postmaster@ is not postmaster", async () => {
  const { accounts } = await open();
  for (const name of [
    '"postmaster@x"@example.org',
    '"postmaster@example.org"@mail.example.org',
    '"postmaster@"@mail.example.org',
  ]) {
    assert.equal(accounts.resolve(path(name)).kind, "unknown", name);
  }
  const quoted = accounts.resolve(path('"postmaster"@example.org'));
  assert.ok(quoted.kind === "local");
});

test("a name with a Kelvin sign is not the name with a K", async () => {
  const { accounts } = await open({ users: [{ address: "kate@example.org", password: "hash:secret" }] });
  assert.equal(accounts.resolve(path("KATE@example.org")).kind, "local");
  assert.equal(accounts.resolve(path("\u{212a}ate@example.org")).kind, "unknown");
});

test("an address literal is local only if it is the address the client came to", async () => {
  const { accounts } = await open();
  const ours = accounts.resolve(path("ann@[IPv6:2001:db8::1]"), "2001:db8::1");
  assert.ok(ours.kind === "local");
  assert.equal(ours.targets[0]?.address, "ann@example.org");
  assert.equal(accounts.resolve(path("ann@[192.0.2.9]"), "192.0.2.1").kind, "not-local");
  assert.equal(accounts.resolve(path("ann@[192.0.2.1]")).kind, "not-local");
});

test("aliases expand through each other, once per recipient; members that are nobody's are left out", async () => {
  const { accounts } = await open();
  const all = accounts.resolve(path("ALL+tag@example.org"));
  assert.ok(all.kind === "local" && all.via === "alias");
  assert.deepEqual(
    all.targets.map(({ address }) => address),
    ["ann@example.org", "bob@elsewhere.test", "Bob@Example.ORG"],
  );
  const ghost = accounts.problems.find(({ message }) => message === "ghost@example.org does not exist here");
  assert.equal(ghost?.mayBeStored, true, "check config, which knows only the file, keeps quiet about it");
});

test("an alias that leads in a circle is a fault of ours, not an unknown recipient", async () => {
  const { accounts } = await open();
  const resolution = accounts.resolve(path("ping@example.org"));
  assert.ok(resolution.kind === "broken");
  assert.equal(resolution.reason, "alias-loop");
});

test("an alias deeper or larger than its limit is broken, not endless", async () => {
  const chain = Array.from({ length: 12 }, (_, index) => ({
    address: `a${index}@example.org`,
    to: [index === 11 ? "ann@example.org" : `a${index + 1}@example.org`],
  }));
  const wide = { address: "wide@example.org", to: Array.from({ length: 1001 }, (_, index) => `u${index}@far.test`) };
  const { accounts } = await open({ aliases: [...chain, wide] });
  for (const name of ["a0@example.org", "wide@example.org"]) {
    const resolution = accounts.resolve(path(name));
    assert.ok(resolution.kind === "broken", name);
    assert.equal(resolution.reason, "alias-too-large");
  }
  assert.equal(accounts.resolve(path("a5@example.org")).kind, "local");
});

test("a domain whose users another server knows takes every name; foreign domains are not local", async () => {
  const { accounts } = await open();
  const resolution = accounts.resolve(path("Any.One@backend.test"));
  assert.ok(resolution.kind === "local" && resolution.via === "any");
  assert.deepEqual(resolution.targets, [
    { address: "Any.One@backend.test", domain: "backend.test", key: "Any.One@backend.test" },
  ]);
  assert.equal(accounts.resolve(path("ann@example.com")).kind, "not-local");
});

test("an address is in one place only", async () => {
  const { accounts } = await open({
    users: [
      { address: "ann@example.org" },
      { address: "ANN@Example.org" },
      { address: "eve@foreign.test" },
      { address: "ann+tag@example.org" },
    ],
    aliases: [{ address: "ann@example.org", to: ["ann@example.org"] }],
  });
  assert.deepEqual(
    accounts.table.problems.map(({ section, index }) => `${section} ${index}`),
    ["user 1", "user 2", "user 3", "alias 0"],
  );
});

test("SUB-007: a login may use its address, its tags and the aliases that lead to it", async () => {
  const { accounts } = await open();
  for (const own of [
    "ann@example.org",
    "ANN@example.org",
    "ann+news@example.org",
    "info@example.org",
    "x@bücher.example",
  ]) {
    assert.equal(accounts.mayUse("Ann@example.org", path(own)), true, own);
  }
  for (const foreign of ["bob@example.org", "sales@example.org", "ann@example.com", "nobody@example.org"]) {
    assert.equal(accounts.mayUse("Ann@example.org", path(foreign)), false, foreign);
  }
});

test("AUTH-018: names and passwords are prepared before they are compared", async () => {
  const { accounts } = await open();
  const accepted = { kind: "accepted", login: "Ann@example.org" };
  assert.deepEqual(await accounts.authenticate(login("ann@example.org", "se\u00adcret"), "192.0.2.1"), accepted);
  assert.deepEqual(await accounts.authenticate(login("ANN@EXAMPLE.ORG", "secret"), "192.0.2.1"), accepted);
  const refused = await accounts.authenticate(login("ann@example.org", "\u0000"), "192.0.2.1");
  assert.equal(refused.kind, "refused");
});

test("AUTH-017: acting as somebody else is refused, naming oneself is not", async () => {
  const { accounts } = await open();
  const asOther = await accounts.authenticate(login("ann@example.org", "secret", "bob@example.org"), "192.0.2.1");
  assert.deepEqual(asOther, { kind: "refused", reason: "other-identity" });
  const asSelf = await accounts.authenticate(login("ann@example.org", "secret", "Ann@Example.org"), "192.0.2.1");
  assert.equal(asSelf.kind, "accepted");
});

test("AUTH-033: unknown users cost as many checks as known ones; a right password is remembered for a minute", async () => {
  const { accounts, crypto, clock } = await open();
  const costs: number[] = [];
  for (const name of ["ann@example.org", "bob@example.org", "josé@example.org", "nobody@example.org", "no address"]) {
    crypto.verified = 0;
    assert.equal((await accounts.authenticate(login(name, "wrong"), "192.0.2.1")).kind, "refused");
    costs.push(crypto.verified);
  }
  assert.deepEqual(costs, [2, 2, 2, 2, 2]);

  crypto.verified = 0;
  for (let time = 0; time < 3; time++) {
    assert.equal((await accounts.authenticate(login("bob@example.org", "two"), "192.0.2.1")).kind, "accepted");
  }
  assert.equal(crypto.verified, 2);
  await clock.advance(60_000);
  await accounts.authenticate(login("bob@example.org", "two"), "192.0.2.1");
  assert.equal(crypto.verified, 4);
});

test("AUTH-033: guesses are slowed per account and per network; waits double, end, and do not lock the owner out", async () => {
  const { accounts, clock } = await open();
  assert.equal((await accounts.authenticate(login("ann@example.org", "secret"), "192.0.2.7")).kind, "accepted");
  const guess = (from: number) => accounts.authenticate(login("ann@example.org", "guess"), `198.51.100.${from}`);
  const waits: number[] = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    const result = await guess(attempt);
    if (result.kind !== "throttled") continue;
    waits.push(result.retryAfterMs);
    await clock.advance(result.retryAfterMs);
    assert.equal((await guess(attempt)).kind, "refused");
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000]);
  assert.equal((await accounts.authenticate(login("ann@example.org", "secret"), "192.0.2.7")).kind, "accepted");

  await clock.advance(2 * 3_600_000);
  assert.equal((await guess(1)).kind, "refused");
});

/** A SCRAM verifier of `password`. */
function scram(password: string, digest: "sha1" | "sha256", iterations = 4096): string {
  const salt = Buffer.from("0123456789abcdef");
  const salted = pbkdf2Sync(password, salt, iterations, digest === "sha1" ? 20 : 32, digest);
  const clientKey = createHmac(digest, salted).update("Client Key").digest();
  const storedKey = createHash(digest).update(clientKey).digest("base64");
  const serverKey = createHmac(digest, salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-${digest === "sha1" ? 1 : 256}$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

test("a failed sign-in does the same work for every user and for nobody, however passwords are stored", async () => {
  const strong = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo";
  const users = [
    { address: "argon@example.org", password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo" },
    { address: "strong@example.org", password: [strong, strong] },
    { address: "scram@example.org", password: scram("secret", "sha256") },
    { address: "more@example.org", password: [scram("secret", "sha256", 8192), scram("other", "sha1")] },
    { address: "none@example.org" },
  ];
  const { accounts, crypto } = await open({
    users,
    aliases: [],
    domains: [{ name: "example.org", recipients: "known" }],
  });
  const work: string[] = [];
  for (const name of [...users.map(({ address }) => address), "nobody@example.org", "no address", ""]) {
    crypto.work.length = 0;
    assert.equal((await accounts.authenticate(login(name, "wrong"), `192.0.2.${work.length}`)).kind, "refused");
    work.push(crypto.work.toSorted().join("\n"));
  }
  assert.deepEqual(
    [...new Set(work.slice(0, -1))],
    [
      [
        "$argon2id$v=19$m=19456,t=2,p=1",
        "$argon2id$v=19$m=65536,t=3,p=4",
        "$argon2id$v=19$m=65536,t=3,p=4",
        "pbkdf2 sha1 4096",
        "pbkdf2 sha256 4096",
        "pbkdf2 sha256 8192",
      ].join("\n"),
    ],
  );
  assert.equal((await accounts.authenticate(login("scram@example.org", "secret"), "192.0.2.99")).kind, "accepted");
});

test("right passwords that were not checked, because too many wait, are no failures", async () => {
  const { accounts, crypto } = await open();
  const held: (() => void)[] = [];
  let holding = true;
  const verify = crypto.verifyPassword.bind(crypto);
  crypto.verifyPassword = async (password, phc) => {
    if (holding) await new Promise<void>((resolve) => held.push(resolve));
    return await verify(password, phc);
  };
  const flood = Array.from({ length: 100 }, (_, index) =>
    accounts.authenticate(login(`x${index}@example.org`, "guess"), `198.51.100.${index}`),
  );
  await settle();
  for (let time = 0; time < 50; time++) {
    const answer = await accounts.authenticate(login("ann@example.org", "secret"), "192.0.2.1");
    assert.deepEqual(answer, { kind: "unavailable", reason: "too many password checks are waiting" });
  }
  holding = false;
  for (const release of held) release();
  await Promise.all(flood);
  assert.equal((await accounts.authenticate(login("ann@example.org", "secret"), "192.0.2.1")).kind, "accepted");
});

test("nobody is blocked longer or shorter because the clock was set", async () => {
  const { accounts, clock } = await open();
  const guess = () => accounts.authenticate(login("ann@example.org", "guess"), "198.51.100.1");
  for (let time = 0; time < 5; time++) assert.equal((await guess()).kind, "refused");
  for (const step of [3_600_000, -7_200_000, 86_400_000]) {
    clock.jump(step);
    assert.deepEqual(await guess(), { kind: "throttled", retryAfterMs: 1000 });
  }
  await clock.advance(1000);
  assert.equal((await guess()).kind, "refused");
});

/** An attempt that fails, if it may be made. */
async function fail(limits: MemorySignInLimits, account: string, network: string, now: number): Promise<number> {
  const start = await limits.begin({ account, network }, now);
  if (start.kind === "wait") return start.waitMs;
  await start.end("failed", now);
  return 0;
}

test("AUTH-033: one network that tries many names is slowed", async () => {
  const limits = new MemorySignInLimits();
  const results: number[] = [];
  for (let name = 0; name < 25; name++) results.push(await fail(limits, `u${name}`, "n", 0));
  assert.equal(results.indexOf(1000), defaultSignInLimits.networkFailures);
});

test("AUTH-033: guesses in a network of the owner's do not hold the owner up; an operator sees and forgets failures", async () => {
  const limits = new MemorySignInLimits();
  const good = await limits.begin({ account: "ann", network: "home" }, 0);
  if (good.kind === "begun") await good.end("succeeded", 0);
  for (let name = 0; name < 22; name++) await fail(limits, `u${name}`, "home", 0);
  assert.equal((await limits.begin({ account: "bob", network: "home" }, 0)).kind, "wait");
  assert.equal((await limits.begin({ account: "ann", network: "home" }, 0)).kind, "begun");
  const home = { kind: "network", network: "home" } as const;
  assert.deepEqual(await limits.standing(home, 0), { failures: 20, waitMs: 1000 });
  await limits.forget(home);
  assert.deepEqual(await limits.standing(home, 0), { failures: 0, waitMs: 0 });
  assert.deepEqual(await limits.standing({ kind: "account", account: "u1" }, 0), { failures: 1, waitMs: 0 });
});

test("AUTH-033: a hundred attempts at once get no more than the free failures", async () => {
  const limits = new MemorySignInLimits();
  const starts = await Promise.all(
    Array.from({ length: 100 }, (_, index) => limits.begin({ account: "ann", network: `n${index}` }, 0)),
  );
  const begun = starts.filter((start) => start.kind === "begun");
  assert.equal(begun.length, defaultSignInLimits.accountFailures);
  for (const start of begun) await start.end("unchecked", 0);
  assert.equal((await limits.begin({ account: "ann", network: "z" }, 0)).kind, "begun");
});

test("a block in force outlives any number of fresh names, and the memory for them is bounded", async () => {
  const limits = new MemorySignInLimits();
  let now = 0;
  for (let network = 0, wait = 0; wait < 15 * 60_000; network++) {
    wait = await fail(limits, "ann", `n${network}`, now);
    if (wait < 15 * 60_000) now += wait;
  }
  const long = "x".repeat(1000);
  for (let name = 0; name < 3 * entriesMax; name++)
    await fail(limits, `${name % 100 === 0 ? long : ""}${name}`, `f${Math.floor(name / 20)}`, now);
  assert.ok(limits.size <= 2 * entriesMax, String(limits.size));
  assert.equal(await fail(limits, "ann", "z", now), 15 * 60_000);
});

test("when everything is blocked, the block that ends first is forgotten first", () => {
  const numbers = { free: 1, firstWaitMs: 1000, longestWaitMs: 60_000, memoryMs: 60_000 };
  const table = new FailureTable(numbers);
  for (let time = 0; time < 4; time++) table.count("long", 0);
  for (let name = 0; name < entriesMax + 10; name++) table.count(`short${name}`, 0);
  assert.equal(table.size, entriesMax);
  assert.equal(table.waitMs("long", 0), 8000);
  assert.equal(table.waitMs("short0", 0), 0);
  assert.equal(table.waitMs(`short${entriesMax}`, 0), 1000);
});

test("a network of an owner's stays known however many networks another owner comes from", () => {
  const known = new KnownNetworks();
  known.add({ account: "ann", network: "home" });
  for (let network = 0; network < 100_000; network++) known.add({ account: "eve", network: `n${network}` });
  assert.equal(known.has({ account: "ann", network: "home" }), true);
  assert.equal(known.has({ account: "eve", network: "n0" }), false);
  assert.equal(known.has({ account: "eve", network: "n99999" }), true);
});

test("AUTH-011: a password check that cannot be made says nothing about the password", async () => {
  const { accounts, crypto } = await open();
  crypto.verifyPassword = () => Promise.reject(new Error("thread pool is gone"));
  const result = await accounts.authenticate(login("ann@example.org", "secret"), "192.0.2.1");
  assert.deepEqual(result, { kind: "unavailable", reason: "thread pool is gone" });
});

test("users made by the command can log in and receive after a reload; those of the file are read-only to it", async () => {
  const { accounts, clock, crypto, store, settings: declared } = await open();
  const users = new UserAdministration({ settings: declared, store, crypto, clock, random: new SeededRandom(2) });
  await users.add("Eve@example.org", "first");
  await accounts.reload();
  assert.equal(accounts.resolve(path("eve@example.org")).kind, "local");
  await users.changePassword("eve@EXAMPLE.org", "second");
  await accounts.reload();
  assert.equal((await accounts.authenticate(login("eve@example.org", "first"), "192.0.2.1")).kind, "refused");
  assert.deepEqual(await accounts.authenticate(login("eve@example.org", "second"), "192.0.2.1"), {
    kind: "accepted",
    login: "Eve@example.org",
  });
  assert.deepEqual((await users.list()).at(-1), {
    address: "Eve@example.org",
    origin: "stored",
    passwords: 1,
    createdAt: clock.now(),
  });

  const failing: readonly (readonly [string, () => Promise<void>])[] = [
    ["exists", () => users.add("eve@example.org", "x")],
    ["read-only", () => users.add("ann@example.org", "x")],
    ["read-only", () => users.add("info@example.org", "x")],
    ["read-only", () => users.remove("ann@example.org")],
    ["not-found", () => users.changePassword("ghost@example.org", "x")],
    ["domain-not-local", () => users.add("eve@foreign.test", "x")],
    ["invalid-address", () => users.add("eve", "x")],
    ["invalid-address", () => users.add("new+tag@example.org", "x")],
    ["invalid-password", () => users.add("new@example.org", "\u0007")],
    ["invalid-password", () => users.add("new@example.org", "x".repeat(256))],
  ];
  for (const [code, run] of failing) {
    await assert.rejects(run, (error) => error instanceof AccountError && error.code === code, code);
  }
  await users.remove("eve@example.org");
  await accounts.reload();
  assert.equal(accounts.resolve(path("eve@example.org")).kind, "unknown");
});

test("users that are reread while the settings change do not bring the former settings back", async () => {
  const { accounts, store, settings: declared } = await open();
  const apply = await accounts.prepare({ ...declared, users: [{ address: "new@example.org" }], aliases: [] });
  assert.equal(accounts.resolve(path("new@example.org")).kind, "unknown", "nothing changes before it is applied");
  const list = store.list.bind(store);
  const slow = Promise.withResolvers<void>();
  store.list = async () => {
    await slow.promise;
    return await list();
  };
  const reread = accounts.reload();
  apply();
  slow.resolve();
  await reread;
  assert.equal(accounts.resolve(path("new@example.org")).kind, "local");
  assert.equal(accounts.resolve(path("ann@example.org")).kind, "unknown");
});

test("a user who is made while a reload is prepared is still there when it is applied", async () => {
  const { accounts, clock, crypto, store, settings: declared } = await open();
  const apply = await accounts.prepare({ ...declared, aliases: [] });
  await new UserAdministration({ settings: declared, store, crypto, clock, random: new SeededRandom(2) }).add(
    "eve@example.org",
    "first",
  );
  await accounts.reload();
  apply();
  assert.equal(accounts.resolve(path("eve@example.org")).kind, "local");
  assert.equal(accounts.resolve(path("info@example.org")).kind, "unknown", "the alias that the settings dropped");
});

test("in development every recipient is local and every login is right", async () => {
  const any = new AnyAccounts("localhost");
  const resolution = any.resolve(path("Who.Ever@anywhere.test"));
  assert.ok(resolution.kind === "local");
  assert.equal(resolution.targets[0]?.address, "Who.Ever@anywhere.test");
  const home = any.resolve(path("postmaster"));
  assert.ok(home.kind === "local");
  assert.equal(home.targets[0]?.address, "postmaster@localhost");
  assert.deepEqual(await any.authenticate(login("x", "y")), { kind: "accepted", login: "x" });
  assert.equal(any.mayUse(), true);
});
