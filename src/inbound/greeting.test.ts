/** Greetings that are kept back, early talkers, hosts and domains that accept no mail. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";

test("EXT-012: a greeting that is kept back shows who talks early; who waits is served, and loopback does not wait", async () => {
  await using server = await ReceivingServer.open({ greetingDelayMs: 5000, earlyTalk: "refuse" });
  const early = await server.dial("mx");
  early.send("EHLO spam.test\r\n");
  const patient = await server.dial("mx");
  const own = await server.dial("mx", "127.0.0.1");
  assert.match(await own.reply(), /^220 /);
  await server.clock.advance(4999);
  assert.equal(await patient.unread(), "");
  await server.clock.advance(1);
  assert.match(await early.reply(), /^554 /);
  assert.equal(await early.ended(), true);
  assert.match(await patient.reply(), /^220 /);
  await patient.expect("EHLO client.test", "250");
  const gone = await server.dial("mx");
  await settle();
  gone.connection.destroy();
});

test("a host that accepts no mail says 521, and then only QUIT is of use (RFC 7504 §3)", async () => {
  await using server = await ReceivingServer.open({ acceptsMail: false });
  await server.client("submission"); // SUB-002: never there
  const client = await server.dial("mx");
  assert.match(await client.reply(), /^521 .*This host accepts no mail/);
  await client.expect("EHLO client.test", "503");
  await client.expect("QUIT", "221");
  const [refused] = server.log.of("session-refused");
  assert.deepEqual([refused?.["rule"], refused?.["reason"]], ["no-mail-host", "host-accepts-no-mail"]);
});

test("a domain of ours that accepts no mail: 556 for every name, postmaster too; other domains are as before", async () => {
  const domains = [
    { name: "nomail.example", recipients: "none" },
    { name: "example.org", recipients: "known" },
  ] as const;
  await using server = await ReceivingServer.open({ domains });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.test>", "250");
  await client.expect("RCPT TO:<ann@nomail.example>", "556 5.1.10");
  await client.expect("RCPT TO:<postmaster@nomail.example>", "556 5.1.10");
  await client.expect("RCPT TO:<postmaster>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  const [refused] = server.log.of("recipient-refused");
  assert.deepEqual(
    [refused?.["reason"], refused?.["setting"]],
    ["domain-accepts-no-mail", "domain nomail.example recipients"],
  );
  const user = await server.submitter();
  await user.expect("MAIL FROM:<ann@example.org>", "250");
  await user.expect("RCPT TO:<ann@nomail.example>", "556 5.1.10");
});
