/** Passwords that Dovecot knows: its protocol, the connection, and a sign-in that goes through both, in simulated time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "../../ports/network.ts";
import { CountingCrypto } from "../../testing/counting-crypto.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { MemoryNetwork } from "../../testing/memory-network.ts";
import { MemorySpool } from "../../testing/spool/memory-spool.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { Accounts } from "../accounts.ts";
import { BoundedSource } from "../password-source.ts";
import type { AccountSettings } from "../settings.ts";
import { UserStore } from "../user-store.ts";
import { type AuthReply, DovecotAuthProtocol, formatAuthQuestion } from "./auth-protocol.ts";
import { DovecotPasswords } from "./dovecot-passwords.ts";

const greeting = "VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nMECH\tPLAIN\tplaintext\nSPID\t7\nCUID\t1\nCOOKIE\tab\nDONE\n";
const endpoint = { kind: "unix", path: "/run/dovecot/auth-client" } as const;

function repliesTo(text: string, split: "whole" | "by octets"): readonly AuthReply[] {
  const protocol = new DovecotAuthProtocol();
  const bytes = Buffer.from(text);
  if (split === "whole") return protocol.receive(bytes);
  return Array.from(bytes, (octet) => protocol.receive(Uint8Array.of(octet))).flat();
}

const ready = { kind: "ready" } as const;
const broken = (reason: string) => [{ kind: "broken", reason }] as const;
const rows: readonly (readonly [string, string, readonly AuthReply[]])[] = [
  ["the greeting", greeting, [ready]],
  ["what later versions add", `${greeting.replace("SPID", "NEWS\t1\nSPID")}`, [ready]],
  [
    "a right password",
    `${greeting}OK\t1\tuser=ann@example.org\tx=y\n`,
    [ready, { kind: "ok", id: 1, user: "ann@example.org" }],
  ],
  ["an escaped name", `${greeting}OK\t1\tuser=a\u0001tb\n`, [ready, { kind: "ok", id: 1, user: "a\tb" }]],
  [
    "a wrong password",
    `${greeting}FAIL\t2\tuser=ann\n`,
    [ready, { kind: "fail", id: 2, temporary: false, reason: "" }],
  ],
  [
    "a temporary failure",
    `${greeting}FAIL\t2\tuser=ann\ttemp\treason=LDAP is down\n`,
    [ready, { kind: "fail", id: 2, temporary: true, reason: "LDAP is down" }],
  ],
  [
    "more than PLAIN has",
    `${greeting}CONT\t3\tYQ==\n`,
    [ready, { kind: "fail", id: 3, temporary: true, reason: "Dovecot asks for more than PLAIN has" }],
  ],
  [
    "nobody's password",
    `${greeting}OK\t1\n`,
    [ready, { kind: "fail", id: 1, temporary: true, reason: "Dovecot does not say whose password it is" }],
  ],
  [
    "a reply without a number",
    `${greeting}OK\tx\tuser=a\nOK\t1\tuser=b\n`,
    [ready, ...broken("its reply has no number")],
  ],
  ["a line of a later version", `${greeting}NOTE\t1\nOK\t1\tuser=b\n`, [ready, { kind: "ok", id: 1, user: "b" }]],
  ["another version", "VERSION\t2\t0\n", broken("it speaks version 2 of the protocol")],
  ["no version", greeting.replace("VERSION\t1\t2\n", ""), broken("it names no version")],
  [
    "the master socket",
    "VERSION\t1\t1\nSPID\t7\n",
    broken("it names no mechanism, so it is the master socket; use the client socket, auth-client"),
  ],
  [
    "no PLAIN, or one that is not for us",
    greeting.replace("PLAIN\tplaintext", "PLAIN\tprivate"),
    broken("it does not offer PLAIN; see auth_mechanisms"),
  ],
  ["a greeting without end", "CUID\t1\n".repeat(101), broken("its handshake does not end")],
  ["a line without end", "x".repeat(16_385), broken("its line is too long")],
];
for (const [name, text, expected] of rows) {
  test(`Dovecot says: ${name}`, () => {
    for (const split of ["whole", "by octets"] as const) assert.deepEqual(repliesTo(text, split), expected, split);
  });
}

test("a question is one line, whatever the names hold", () => {
  const line = formatAuthQuestion({ id: 5, username: "ann", password: "a\tb\nc", clientAddress: "192.0.2.1\t\n" });
  const response = Buffer.from("\0ann\0a\tb\nc").toString("base64");
  assert.equal(line, `AUTH\t5\tPLAIN\tservice=smtp\trip=192.0.2.1\u0001t\u0001n\tsecured\tnologin\tresp=${response}\n`);
});

/** A Dovecot that knows some passwords. */
async function openWorld(changes: Partial<AccountSettings> = {}) {
  const clock = new ManualClock();
  const network = new MemoryNetwork();
  const crypto = new CountingCrypto();
  const questions: string[] = [];
  const connections: Connection[] = [];
  const dovecot = {
    greeting,
    answer: (password: string): string | undefined => (password === "right" ? "OK" : "FAIL"),
  };
  await network.listen(endpoint, {
    accept: (connection) => {
      connections.push(connection);
      connection.start({
        data: (bytes) => {
          for (const line of Buffer.from(bytes).toString().split("\n")) {
            const [, id, response] = /^AUTH\t(\d+)\t.*\tresp=(.*)$/.exec(line) ?? [];
            if (id === undefined) continue;
            const [, username, password] = Buffer.from(response ?? "", "base64")
              .toString()
              .split("\0");
            questions.push(`${username} ${password}`);
            const answer = dovecot.answer(password ?? "");
            if (answer === "close") connection.destroy();
            else if (answer !== undefined) connection.write(Buffer.from(`${answer}\t${id}\tuser=${username}\n`));
          }
        },
        end: () => connection.destroy(),
        drained: () => undefined,
        closed: () => undefined,
      });
      connection.write(Buffer.from(dovecot.greeting));
    },
  });
  const source = new BoundedSource(
    new DovecotPasswords({ endpoint, network, clock, random: new SeededRandom(2) }),
    clock,
  );
  const settings: AccountSettings = {
    hostname: "mail.example.org",
    domains: [{ name: "example.org", recipients: "any" }],
    users: [],
    aliases: [{ address: "info@example.org", to: ["ann@example.org"] }],
    ...changes,
  };
  const store = new UserStore(new MemorySpool({ clock }));
  const accounts = await Accounts.open({
    ...{ settings, store, crypto, clock, random: new SeededRandom(1) },
    passwordSources: () => [source],
  });
  const signIn = (username: string, password: string, authorizationId = "") =>
    accounts.authenticate({ kind: "password", username, password, authorizationId }, "192.0.2.1");
  return { clock, network, crypto, questions, connections, dovecot, source, accounts, signIn };
}

const unavailable = (reason: string) => ({ kind: "unavailable", reason });

test("a user whom only Dovecot knows signs in, and sends as the own address, aliases to it, and no other", async () => {
  const { signIn, accounts, connections, crypto } = await openWorld();
  const accepted = { kind: "accepted", login: "ann@example.org", by: "a password that Dovecot knows" };
  assert.deepEqual(await signIn("ann@example.org", "right"), accepted);
  assert.deepEqual(await signIn("ann", "right"), accepted, "a name without a domain is at home in the first one");
  assert.deepEqual(await signIn("ann@example.org", "right", "bob@example.org"), {
    kind: "refused",
    reason: "other-identity",
  });
  assert.equal(connections.length, 1, "one connection for all questions");
  const mailbox = (localPart: string, domain = "example.org") => ({ localPart, domain, domainKey: domain });
  assert.equal(accounts.mayUse("ann@example.org", mailbox("Ann+list")), true);
  assert.equal(accounts.mayUse("ann@example.org", mailbox("info")), true);
  assert.equal(accounts.mayUse("ann@example.org", mailbox("bob")), false);
  assert.equal(accounts.mayUse("ann@example.org", mailbox("ann", "elsewhere.test")), false);
  assert.deepEqual(crypto.work, [], "nobody has a password here, so none is hashed");
  assert.deepEqual([...accounts.signInMeans().verifiers], [], "Dovecot gives no verifiers, so there is no SCRAM");
});

test("AUTH-033: a wrong password costs the same hashes and the same question, whoever knows the user", async () => {
  const { signIn, crypto, questions } = await openWorld({
    users: [{ address: "bob@example.org", password: ["hash:one", "hash:two"] }],
  });
  assert.deepEqual(await signIn("bob@example.org", "two"), { kind: "accepted", login: "bob@example.org" });
  assert.deepEqual(questions, [], "a password of ours goes nowhere else");
  for (const name of ["bob@example.org", "ann@example.org", "ghost@example.org", "nobody"]) {
    crypto.work.length = 0;
    questions.length = 0;
    assert.equal((await signIn(name, "wrong")).kind, "refused");
    assert.deepEqual([crypto.work.length, questions], [2, [`${name} wrong`]], name);
  }
});

test("what Dovecot cannot say now is no failure: 454, and the account is not slowed down", async () => {
  const { signIn, dovecot, network, connections } = await openWorld();
  const { answer } = dovecot;
  dovecot.answer = () => "close";
  assert.deepEqual(await signIn("ann@example.org", "x"), unavailable("Dovecot closed the connection twice"));
  assert.equal(connections.length, 2, "asked once more on a new connection");
  dovecot.answer = answer;
  network.fail(endpoint, "refuse");
  for (let count = 0; count < 20; count++) {
    const result = await signIn("ann@example.org", "right");
    assert.ok(result.kind === "unavailable" && result.reason.startsWith("Dovecot: "), result.kind);
  }
  network.heal(endpoint);
  assert.equal((await signIn("ann@example.org", "right")).kind, "accepted", "it connects again by itself");
});

test("a login that is no address signs nobody in", async () => {
  const { signIn, dovecot } = await openWorld({ domains: [] });
  dovecot.answer = () => "OK";
  const reason = "Dovecot names a user whose login is no address";
  for (const name of ["ann", "a b@example.org", "ann@", "@example.org"]) {
    assert.deepEqual(await signIn(name, "right"), unavailable(reason), name);
  }
});

test("a connection that was lost meanwhile is replaced, and its question asked again", async () => {
  const { signIn, dovecot, connections, questions } = await openWorld();
  await signIn("ann@example.org", "right");
  connections[0]?.destroy();
  await settle();
  assert.equal((await signIn("ann@example.org", "right")).kind, "accepted");
  let closed = 0;
  dovecot.answer = () => (closed++ === 0 ? "close" : "OK");
  assert.equal((await signIn("ann@example.org", "right")).kind, "accepted");
  assert.equal(connections.length, 3);
  assert.equal(questions.length, 4);
});

test("silence ends after 30 seconds, and the next question has a new connection; the wrong socket is named", async () => {
  const { signIn, clock, dovecot, connections } = await openWorld();
  dovecot.answer = () => undefined;
  const silent = signIn("ann@example.org", "right");
  await settle();
  await clock.advance(30_000);
  assert.deepEqual(await silent, unavailable("Dovecot did not answer within 30 seconds"));
  dovecot.answer = () => "OK";
  assert.equal((await signIn("ann@example.org", "right")).kind, "accepted");
  assert.equal(connections.length, 2);

  const master = await openWorld();
  master.dovecot.greeting = "VERSION\t1\t1\nSPID\t7\n";
  const result = await master.signIn("ann@example.org", "right");
  assert.ok(result.kind === "unavailable");
  assert.match(result.reason, /master socket/);
  const mute = await openWorld();
  mute.dovecot.greeting = "VERSION\t1\t1\n";
  const waiting = mute.signIn("ann@example.org", "right");
  await settle();
  await mute.clock.advance(10_000);
  assert.deepEqual(await waiting, unavailable("Dovecot: Dovecot did not end its greeting in time"));
});

test("questions are bounded, each gets its own answer, and a late one is passed over", async () => {
  const { source, dovecot, connections } = await openWorld();
  dovecot.answer = () => undefined;
  const ask = (password: string) => source.check({ username: "ann", password, clientAddress: "" });
  const waiting = Array.from({ length: 100 }, (_, index) => ask(`${index}`));
  await settle();
  assert.deepEqual(await ask("more"), unavailable("too many questions wait for Dovecot"));
  const [connection] = connections;
  assert.ok(connection);
  const numbers = Array.from({ length: 100 }, (_, index) => index + 1).toReversed();
  for (const id of [500, ...numbers]) connection.write(Buffer.from(`${id === 7 ? "OK" : "FAIL"}\t${id}\tuser=x\n`));
  const answers = await Promise.all(waiting);
  assert.deepEqual(
    answers.flatMap(({ kind }, index) => (kind === "right" ? [index] : [])),
    [6],
  );
  source.close();
  await settle();
  dovecot.answer = () => "OK";
  assert.equal((await ask("after a reload")).kind, "right");
  assert.equal(connections.length, 2);
});
