/** TLS, LMTP, limits, time, and the end of a server: what concerns a session as a whole. */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Resolution } from "../accounts/account-directory.ts";
import { settle } from "../testing/manual-clock.ts";
import { ListenerError } from "./listener-options.ts";
import { Inbound } from "./inbound.ts";
import { protocolKeyword } from "./session-origin.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import type { Admission } from "../policy/admission.ts";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";

test("TLS-001: after the handshake nothing of what the client said before is known", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.startTls();
  await client.expect("MAIL FROM:<s@x.example>", "503");
  await client.expect("EHLO other.test", "250");
  await client.expect("RCPT TO:<ann@example.org>", "503");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.content("Subject: x\r\n\r\nhello");
  const { message } = await server.onlyMessage();
  assert.equal(message.origin.hello, "other.test");
  assert.equal(message.origin.protocol, "ESMTPS");
});

test("TLS-002, trap 7: commands that came with STARTTLS are not run under TLS", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  client.send("STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<evil@x.example>\r\n");
  assert.match(await client.reply(), /^554 5\.5\.0 |^220 /);
  assert.equal(await client.ended(), true);
  assert.equal(server.log.of("session-closed")[0]?.["cause"], "plaintext-after-starttls");
  assert.equal(server.log.of("session-tls").length, 0);
});

test("TLS-003 TLS-004, trap 10: STARTTLS takes no argument, not twice, and not during a transaction", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("STARTTLS now", "501");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("STARTTLS", "503");
  await client.expect("RSET", "250");
  await client.startTls();
  assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /STARTTLS/);
  await client.expect("STARTTLS", "503");
});

test("TLS-005: port 25 takes local mail in clear", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  assert.match(await client.expect("EHLO client.test", "250"), /STARTTLS/);
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  assert.equal((await server.onlyMessage()).message.origin.tls, undefined);
});

test("a failed handshake is logged and ends the session", async () => {
  await using server = await ReceivingServer.open();
  server.network.tlsOutcome = () => ({ kind: "failed", reason: "no shared cipher" });
  const client = await server.client("mx");
  await assert.rejects(client.startTls());
  await settle();
  assert.match(String(server.log.of("session-tls-failed")[0]?.["error"]), /no shared cipher/);
  assert.equal(server.inbound.sessions, 0);
});

test("each refusal of the protocol core is a line of the log, with the address that was meant, and no hint in production", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<root>", "501");
  await client.expect("RCPT TO:<root>", "501");
  await client.expect("RCPT TO:ann", "501");
  await client.expect("RSET", "250");
  await client.expect("AUTH PLAIN c2VjcmV0", "502");
  await client.expect(`NOOP ${"x".repeat(3000)}`, "500");
  const refused = server.log.of("command-refused");
  assert.deepEqual(
    refused.map(({ command, argument, hint }) => [command, argument, hint]),
    [
      ["RCPT", "TO:<root>", undefined],
      ["RCPT", "TO:<root>", undefined],
      ["RCPT", "TO:ann", undefined],
      ["AUTH", undefined, undefined],
      [undefined, undefined, undefined],
    ],
  );
  assert.match(String(refused[0]?.["reply"]), /^501 5\.1\.3 /);
});

test("HDR-002: the protocol keyword tells HELO, TLS, login, SMTPUTF8 and LMTP apart", () => {
  const keyword = (verb: "HELO" | "EHLO" | "LHLO", flags: string) =>
    protocolKeyword({
      hello: { verb, name: "x" },
      tls: flags.includes("s"),
      login: flags.includes("a"),
      smtpUtf8: flags.includes("u"),
    });
  const rows: readonly (readonly ["HELO" | "EHLO" | "LHLO", string, string])[] = [
    ["HELO", "", "SMTP"],
    ["EHLO", "", "ESMTP"],
    ["EHLO", "s", "ESMTPS"],
    ["EHLO", "a", "ESMTPA"],
    ["EHLO", "sa", "ESMTPSA"],
    ["EHLO", "u", "UTF8SMTP"],
    ["EHLO", "us", "UTF8SMTPS"],
    ["EHLO", "ua", "UTF8SMTPA"],
    ["EHLO", "usa", "UTF8SMTPSA"],
    ["LHLO", "", "LMTP"],
    ["LHLO", "s", "LMTPS"],
    ["LHLO", "sa", "LMTPSA"],
    ["LHLO", "u", "UTF8LMTP"],
    ["LHLO", "usa", "UTF8LMTPSA"],
  ];
  for (const [verb, flags, expected] of rows) assert.equal(keyword(verb, flags), expected);
});

test("LMTP-001 LMTP-002 LMTP-003: LHLO, one reply for each accepted recipient, local ones only", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.7"] });
  const client = await server.dial("lmtp");
  await client.reply();
  await client.expect("EHLO client.test", "500");
  assert.match(await client.expect("LHLO client.test", "250"), /PIPELINING[^]*ENHANCEDSTATUSCODES/);
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<u@elsewhere.test>", "550 5.1.2");
  await client.expect("RCPT TO:<ghost@example.org>", "550 5.1.1");
  await client.expect("DATA", "503");
  for (const path of ["ann@example.org", "bob@example.org", "ann@example.org"]) {
    await client.expect(`RCPT TO:<${path}>`, "250");
  }
  const replies = [await client.content("Subject: x\r\n\r\nhello"), await client.reply(), await client.reply()];
  for (const reply of replies) assert.match(reply, /^250 2\.0\.0 Ok: queued as /);
  await client.expect("NOOP", "250");
  const { message, recipients } = await server.onlyMessage();
  assert.equal(message.origin.protocol, "LMTP");
  assert.equal(recipients.length, 2);
});

test("LMTP-004: BDAT LAST has one reply for each recipient as well", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("lmtp");
  await client.envelope("<s@x.example>", "<ann@example.org>", "<bob@example.org>");
  client.send("BDAT 4\r\nA: bBDAT 9 LAST\r\n\r\n\r\nhello");
  assert.match(await client.reply(), /^250 /);
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued/);
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued/);
  await client.expect("NOOP", "250");
});

test("LMTP-005: LMTP on TCP port 25 does not open, and neither does submission without a certificate", async () => {
  const nothing = {} as InboundServices;
  const settings = {} as InboundSettings;
  const endpoint = { kind: "ip", address: "127.0.0.1", port: 25 } as const;
  const failures = [
    ["lmtp", "lmtp-on-port-25"],
    ["submission", "tls-without-certificate"],
    ["submissions", "tls-without-certificate"],
  ] as const;
  for (const [kind, code] of failures) {
    await assert.rejects(
      Inbound.open(nothing, settings, [{ kind, endpoint, bareLineEnds: "refuse" }]),
      (error) => error instanceof ListenerError && error.code === code,
      kind,
    );
  }
});

test("listeners open all or none", async () => {
  await using server = await ReceivingServer.open();
  assert.deepEqual(
    server.inbound.endpoints.map((endpoint) => endpoint.kind === "ip" && endpoint.port),
    [25, 587, 465, 24],
  );
});

test("SMTP-018: a stop ends idle sessions with 421 and lets content under way be finished", async () => {
  await using server = await ReceivingServer.open();
  const idle = await server.client("mx");
  const betweenCommands = await server.client("mx");
  await betweenCommands.envelope("<s@x.example>", "<ann@example.org>");
  const sending = await server.client("mx");
  await sending.envelope("<s@x.example>", "<ann@example.org>");
  await sending.expect("DATA", "354");
  sending.send("Subject: last\r\n");
  await settle();
  const stopped = server.inbound.shutdown({ deadlineMs: 10_000 });
  assert.match(await idle.reply(), /^421 4\.3\.2 /);
  assert.match(await betweenCommands.reply(), /^421 4\.3\.2 /);
  assert.equal(await idle.ended(), true);
  await assert.rejects(server.dial("mx"));
  assert.equal(await sending.unread(), "");
  sending.send("\r\nhello\r\n.\r\n");
  assert.match(await sending.reply(), /^250 2\.0\.0 /);
  assert.match(await sending.reply(), /^421 4\.3\.2 /);
  for (const client of [idle, betweenCommands, sending]) client.connection.end();
  await stopped;
  assert.equal((await server.onlyMessage()).message.facts.subject, "last");
});

test("SMTP-018: what is not finished by the deadline is dropped without a reply, and nothing of it is kept", async () => {
  await using server = await ReceivingServer.open();
  const slow = await server.client("mx");
  await slow.envelope("<s@x.example>", "<ann@example.org>");
  await slow.expect("DATA", "354");
  slow.send("Subject: half\r\n");
  await settle();
  const stopped = server.inbound.shutdown({ deadlineMs: 5000 });
  await settle();
  await server.clock.advance(5000);
  await stopped;
  assert.equal(await slow.unread(), "");
  assert.equal(server.inbound.sessions, 0);
  assert.equal((await server.spool.stats()).scheduled, 0);
});

test("found by simulation: a session that the deadline of a stop ends leaves no timer behind", async () => {
  await using server = await ReceivingServer.open();
  const slow = await server.client("mx");
  await slow.envelope("<s@x.example>", "<ann@example.org>");
  await slow.expect("DATA", "354");
  slow.send("Subject: half\r\n");
  await settle();
  const stopped = server.inbound.shutdown({ deadlineMs: 5000 });
  await settle();
  await server.clock.advance(5000);
  await stopped;
  assert.equal(server.clock.pendingTimers, 0);
});

test("SMTP-043: an idle session ends with 421 after five minutes, not before, and one timer serves it", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await server.clock.advance(299_000);
  await client.expect("NOOP", "250");
  assert.equal(server.clock.pendingTimers, 1);
  await server.clock.advance(299_000);
  assert.equal(await client.unread(), "");
  await server.clock.advance(1000);
  assert.match(await client.reply(), /^421 4\.4\.2 /);
  assert.equal(await client.ended(), true);
  assert.equal(server.log.of("session-closed")[0]?.["cause"], "deadline");
});

test("a session ends when its time is over, however the clock was set meanwhile", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await server.clock.advance(200_000);
  server.clock.jump(86_400_000);
  await server.clock.advance(99_000);
  assert.equal(await client.unread(), "", "set forward");
  server.clock.jump(-2 * 86_400_000);
  await server.clock.advance(1000);
  assert.match(await client.reply(), /^421 4\.4\.2 /, "set back");
  assert.equal(await client.ended(), true);
  const [closed] = server.log.of("session-closed");
  assert.deepEqual([closed?.["cause"], closed?.["duration_ms"]], ["deadline", 300_000]);
});

test("rates per network do not begin anew, nor stand still, because the clock was set", async () => {
  await using server = await ReceivingServer.open({
    limits: { client_message_rate: 1, client_connection_rate: 2 },
  });
  const client = await server.client("mx");
  const mail = async (expected: string) => {
    await client.expect("MAIL FROM:<s@x.example>", expected);
    await client.expect("RSET", "250");
  };
  await mail("250");
  server.clock.jump(86_400_000);
  await mail("450");
  server.clock.jump(-2 * 86_400_000);
  await server.clock.advance(60_000);
  await mail("250");

  await server.client("mx");
  await server.client("mx");
  server.clock.jump(86_400_000);
  assert.match(await (await server.dial("mx")).reply(), /^421 4\.7\.0 /);
});

test("SMTP-049: sessions above the limits hear 421 and are closed; ended ones make room", async () => {
  await using server = await ReceivingServer.open({ limits: { client_connections: 2, connections: 3 } });
  const first = await server.client("mx", "203.0.113.1");
  await server.client("mx", "203.0.113.1");
  const third = await server.dial("mx", "203.0.113.1");
  assert.match(await third.reply(), /^421 4\.7\.0 /);
  assert.equal(await third.ended(), true);
  third.connection.end();
  await settle();
  await server.client("mx", "203.0.113.2");
  const overTotal = await server.dial("mx", "203.0.113.3");
  assert.match(await overTotal.reply(), /^421 4\.3\.2 /);
  overTotal.connection.end();
  await first.expect("QUIT", "221");
  first.connection.end();
  await settle();
  await server.client("mx", "203.0.113.1");
  assert.deepEqual(
    server.log.of("session-refused").map(({ reason, setting }) => [reason, setting]),
    [
      ["too-many-client-connections", "limits.client_connections"],
      ["too-many-connections", "limits.connections"],
    ],
  );
});

test("SMTP-049: a client that sends too many messages is put off with 450", async () => {
  await using server = await ReceivingServer.open({ limits: { client_message_rate: 2 } });
  const client = await server.client("mx");
  for (let message = 0; message < 2; message++) {
    await client.expect("MAIL FROM:<s@x.example>", "250");
    await client.expect("RSET", "250");
  }
  await client.expect("MAIL FROM:<s@x.example>", "450 4.7.1");
  assert.equal(server.log.of("mail-refused")[0]?.["setting"], "limits.client_message_rate");
});

test("SMTP-049: a session that names too many unknown recipients ends with 421", async () => {
  await using server = await ReceivingServer.open({ limits: { refused_recipients: 10 } });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  let replies = "";
  for (let name = 0; name < 12; name++) client.send(`RCPT TO:<n${name}@example.org>\r\n`);
  assert.equal(await client.ended(), true);
  replies = await client.unread();
  assert.match(replies, /421 4\.7\.0 /);
});

test("a client that does not read its replies is not served until it does", async () => {
  await using server = await ReceivingServer.open({ limits: { errors: 10_000 } });
  const client = await server.client("mx");
  client.connection.pause();
  // The replies come to ten times what a socket takes before it asks to wait, the commands to four times what is held.
  const commands = 9000;
  for (let sent = 0; sent < commands; sent += 100) {
    client.send(`VRFY ${"x".repeat(100)}\r\n`.repeat(100));
    await settle();
  }
  assert.ok(client.connection.bufferedBytes > 500_000, "commands were taken although no reply was read");
  client.connection.resume();
  // After so many replies it is the turn of others, for a millisecond here.
  for (let turn = 0; turn < 200; turn++) await server.clock.advance(1);
  assert.equal((await client.unread()).match(/^252 /gm)?.length, commands);
});

test("EXT-007: commands sent at once are answered in order, in one write", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  const recipients = Array.from({ length: 50 }, () => "RCPT TO:<ann@example.org>\r\n").join("");
  client.send(`MAIL FROM:<s@x.example>\r\n${recipients}DATA\r\n`);
  const codes: string[] = [];
  for (let count = 0; count < 52; count++) codes.push((await client.reply()).slice(0, 3));
  assert.deepEqual(codes, [...Array<string>(51).fill("250"), "354"]);
});

test("a fault of ours costs one session, and is logged with its cause", async () => {
  await using server = await ReceivingServer.open({
    accounts: (accounts) => ({
      resolve: () => {
        throw new Error("a broken invariant");
      },
      mayUse: (login, mailbox) => accounts.mayUse(login, mailbox),
      signInMeans: () => accounts.signInMeans(),
      knowsCertificate: (shown) => accounts.knowsCertificate(shown),
      verifiersOf: (username, digest) => accounts.verifiersOf(username, digest),
      authenticate: (claim, address) => accounts.authenticate(claim, address),
    }),
  });
  const other = await server.client("mx");
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "421 4.3.0");
  assert.equal(await client.ended(), true);
  assert.match(String(server.log.of("internal-error")[0]?.["error"]), /a broken invariant/);
  await other.expect("NOOP", "250");
});

test("an answer of the directory that comes after the client is gone adds no recipient and is no fault", async () => {
  const { promise, resolve } = Promise.withResolvers<Resolution>();
  await using server = await ReceivingServer.open({
    accounts: (accounts) => ({
      resolve: () => promise,
      mayUse: (login, mailbox) => accounts.mayUse(login, mailbox),
      signInMeans: () => accounts.signInMeans(),
      knowsCertificate: (shown) => accounts.knowsCertificate(shown),
      verifiersOf: (username, digest) => accounts.verifiersOf(username, digest),
      authenticate: (claim, address) => accounts.authenticate(claim, address),
    }),
  });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  client.send("RCPT TO:<ann@example.org>\r\n");
  await settle();
  client.connection.destroy();
  await settle();
  const target = { address: "ann@example.org", domain: "example.org", key: "ann@example.org" };
  resolve({ kind: "local", via: "user", targets: [target], setting: "user" });
  await settle();
  assert.equal(server.log.of("session-closed").length, 1);
  assert.deepEqual(server.log.of("internal-error"), []);
  assert.equal(server.memory.used, 0);
});

test("every event of a session bears its id", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("submissions");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235");
  await client.expect("QUIT", "221");
  client.connection.end();
  await settle();
  const named = server.log.events.filter(({ name }) => name !== "listener-opened");
  assert.equal(new Set(named.map(({ fields }) => fields["session"])).size, 1);
  assert.deepEqual(
    named.map(({ name }) => name).filter((name) => name !== "session-phase"),
    ["session-opened", "session-tls", "login-succeeded", "session-closed"],
  );
});

test("EXT-012: a listener told to refuse early talk ends a session whose commands come before their turn", async () => {
  const early = "EHLO c.test\r\nMAIL FROM:<s@x.example>\r\n";
  {
    await using server = await ReceivingServer.open({ earlyTalk: "refuse" });
    const client = await server.client("mx");
    client.send(early);
    assert.match(await client.reply(), /^554 5\.5\.0 /);
    assert.equal(await client.ended(), true);
  }
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  client.send(early);
  assert.match(await client.reply(), /^250/);
  assert.match(await client.reply(), /^250 2\.1\.0/);
});

/** As if it lived in another thread: plain data crosses, and every answer comes later. */
function elsewhere(admission: Admission): Admission {
  const later = async <T>(answer: T | Promise<T>): Promise<T> => {
    await settle();
    return structuredClone(await answer);
  };
  return {
    serve: (holder) => admission.serve(holder),
    enter: (newcomer) => later(admission.enter(structuredClone(newcomer))),
    note: (connection, progress) => admission.note(connection, progress),
    roomFor: (octets) => later(admission.roomFor(octets)),
    countMessage: (client) => later(admission.countMessage(structuredClone(client))),
    countRecipient: (login, recipient) => later(admission.countRecipient(login, recipient)),
    refusalOfBan: (client) => later(admission.refusalOfBan(structuredClone(client))),
    noteConduct: (client, conduct) => later(admission.noteConduct(structuredClone(client), conduct)),
    claimTerms: (domains) => later(admission.claimTerms(structuredClone(domains))),
  };
}

test("an admission in another thread is waited for, and decides the same", async () => {
  const claim = { leaseMs: 60_000, retryDelaysMs: [60_000] };
  await using server = await ReceivingServer.open({
    admission: elsewhere,
    claim,
    limits: { client_connections: 2, client_message_rate: 2, free_space: "1MB" as const },
    space: 3_000_000,
  });
  const client = await server.client("mx");
  const secure = await server.client("submissions");
  await secure.expect("NOOP", "250");
  const refused = await server.dial("mx");
  assert.match(await refused.reply(), /^421 4\.7\.0 /);
  await client.expect("MAIL FROM:<s@x.example> SIZE=2000000", "452");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  assert.equal(server.accepted[0]?.recipients.length, 1, "it came back claimed from its commit");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RSET", "250");
  await client.expect("MAIL FROM:<s@x.example>", "450");
});

test("a server that stops while a newcomer waits for its place turns it away", async () => {
  await using server = await ReceivingServer.open({ admission: elsewhere });
  const client = await server.dial("mx");
  await server.inbound.shutdown({ deadlineMs: 1000 });
  assert.equal(await client.ended(), true);
  assert.equal(server.inbound.sessions, 0);
});

test("each change of a session's phase is in the log at debug, old and new", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("QUIT", "221");
  client.connection.end();
  await settle();
  const changes = server.log.events.filter(({ name }) => name === "session-phase");
  assert.deepEqual(
    changes.map(({ level, fields: { from, event, to } }) => [level, from, event, to].join(" ")),
    ["debug greeting connect connected", "debug connected hello greeted", "debug greeted close closed"],
  );
});
