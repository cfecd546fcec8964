/**
 * Not an open relay, shown from outside: whatever a stranger writes into an envelope, on whichever listener, nothing
 * reaches another server, not even a DNS query; and who may relay can.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { addresses, type ListenerKind, relayClient, settingsOf, SimulatedWorld } from "./support.ts";

const senders = [
  "<>",
  "<stranger@origin.test>",
  "<ann@example.org>",
  "<ANN@EXAMPLE.ORG>",
  "<ann@[192.0.2.25]>",
  "<@example.org:ann@example.org>",
  '<"ann@example.org"@example.org>',
];

/** Every spelling of "bring this to elsewhere.test" that a server once fell for. */
const elsewhere = [
  "<far@elsewhere.test>",
  "<FAR@ELSEWHERE.TEST>",
  "<far@Elsewhere.Test.>",
  "<far%elsewhere.test@example.org>",
  "<FAR%Elsewhere.Test@EXAMPLE.ORG>",
  "<far%elsewhere.test@[192.0.2.25]>",
  "<far%elsewhere.test%example.org@mail.example.org>",
  '<"far@elsewhere.test"@example.org>',
  '<"far%elsewhere.test"@example.org>',
  '<"far\\@elsewhere.test"@example.org>',
  "<far@elsewhere.test@example.org>",
  "<elsewhere.test!far@example.org>",
  "<example.org!elsewhere.test!far>",
  "<@example.org:far@elsewhere.test>",
  "<@example.org,@mail.example.org:far@elsewhere.test>",
  "<@elsewhere.test:far@example.org>",
  "<@example.org:far%elsewhere.test@example.org>",
  "<far@[198.51.100.101]>",
  "<far@[IPv6:2001:db8::1]>",
  "<far@[IPv6:::ffff:198.51.100.101]>",
  "<far@example.org.elsewhere.test>",
  "<far@sub.example.org>",
  "<far@elsewhere>",
  '<"ann@example.org"@elsewhere.test>',
  "<ann%example.org@elsewhere.test>",
  '<"far@elsewhere.test>"@example.org>',
  "<SRS0=AAAAAAAA=AA=elsewhere.test=far@mail.example.org>",
  "<SRS0=AAAA=AA=elsewhere.test=far@mail.example.org>",
  "<SRS0=AAAAAAAA=AA=elsewhere.test=far@example.org>",
  "<SRS0==AA=elsewhere.test=far@mail.example.org>",
  "<srs0+AAAAAAAA=AA=elsewhere.test=far@mail.example.org>",
  "<SRS0=AAAAAAAA=AA=_=AAAAAAAAAAAAAAAA@mail.example.org>",
  "<SRS1=AAAAAAAA=elsewhere.test==AAAA=AA=a.test=far@mail.example.org>",
  "<SRS1=AAAAAAAA=elsewhere.test=-far@mail.example.org>",
  "<>",
];

/** In any of these, a local-part with a route in it could lead out. */
const worlds: Readonly<Record<string, Partial<SettingsInput>>> = {
  "with known users": {},
  "with a catch-all": { domain: [{ name: "example.org", catch_all: "ann@example.org" }] },
  "with a domain whose users a server behind knows": {
    domain: [{ name: "example.org", recipients: "any" }],
    route: [{ domain: "example.org", via: "relay", host: "198.51.100.200:25" }],
  },
};

for (const [description, settings] of Object.entries(worlds)) {
  test(`SMTP-047 SMTP-026 SMTP-027: no envelope of a stranger leads elsewhere, ${description}`, async () => {
    await using world = await SimulatedWorld.start({
      ...settings,
      limits: { refused_recipients: 10_000, errors: 10_000 },
      bans: { errors: 0, unknown_recipients: 0 },
    });
    await using peer = await world.peer("elsewhere.test");
    const behindEndpoint = { kind: "ip", address: "198.51.100.200", port: 25 } as const;
    await using behind = await ScriptedPeer.listen(world.network, behindEndpoint);
    const client = await world.client("mx");
    for (const sender of senders) {
      for (const recipient of elsewhere) {
        await client.expect(`MAIL FROM:${sender}`, "250");
        client.write(`RCPT TO:${recipient}\r\n`);
        const reply = await client.reply();
        if (reply.startsWith("250")) {
          // A name of ours, as a catch-all takes it: then it must stay here.
          await client.expect("DATA", "354");
          await client.expect("Subject: x\r\n\r\nx\r\n.", "250");
        } else assert.match(reply, /^(550 5\.(1\.[0-9]|7\.1)|501 5\.1\.3|501 5\.5\.|553) ?/, `${sender} ${recipient}`);
        await client.expect("RSET", "250");
      }
    }
    await world.advance(60_000);
    assert.equal(peer.sessions, 0);
    const toThere = world.resolver.queries.filter((query) => query.toLowerCase().includes("elsewhere"));
    assert.deepEqual(toThere, [], "not even its name was looked up");
    for (const address of addresses(behind)) assert.match(address, /^[^@%!"]+@example\.org$/, "no route goes through");
  });
}

test("SMTP-047 SUB-001: the other listeners open no relay either", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  const refusals: readonly (readonly [ListenerKind, string])[] = [
    ["submission", "530 5.7.0"],
    ["submissions", "530 5.7.0"],
    ["lmtp", "550 5.1.2"],
  ];
  for (const [kind, refusal] of refusals) {
    const client = await world.client(kind);
    if (kind === "lmtp") await client.expect("MAIL FROM:<ann@example.org>", "250");
    else await client.expect("MAIL FROM:<ann@example.org>", refusal);
    await client.expect("RCPT TO:<far@elsewhere.test>", kind === "lmtp" ? refusal : "5");
    await client.expect("DATA", "5");
    await client.expect("QUIT", "221");
  }
  assert.equal(peer.sessions, 0);
});

test("SMTP-047: logins and relay.networks may send elsewhere; a reload takes the right away from new sessions", async () => {
  await using world = new SimulatedWorld();
  const next: { settings: Partial<SettingsInput> } = { settings: {} };
  await world.start({}, { reload: () => Promise.resolve(settingsOf(next.settings)) });
  await using peer = await world.peer("elsewhere.test");
  const submitter = await world.submitter();
  await submitter.send("ann@example.org", "one@elsewhere.test", "From: ann@example.org\r\n\r\nx");
  await world.accept("anybody@origin.test", "two@elsewhere.test");
  assert.deepEqual(addresses(peer), ["one@elsewhere.test", "two@elsewhere.test"]);

  next.settings = { relay: {} };
  assert.deepEqual(await world.server.reload(), { ok: true });
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<anybody@origin.test>", "250");
  await client.expect("RCPT TO:<three@elsewhere.test>", "550 5.7.1");
});

test("SMTP-026 SMTP-027: source routes and quoted spellings of users of ours lead to their mailboxes", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await client.expect("MAIL FROM:<@relay.test,@other.test:joe@origin.test>", "250");
  await client.expect("RCPT TO:<@a.example,@b.example:ann@example.org>", "250");
  await client.expect('RCPT TO:<"b\\ob"@Example.ORG>', "250");
  await client.expect('RCPT TO:<"a@b >c"@example.org>', "250");
  await client.expect("DATA", "354");
  await client.expect("From: joe@origin.test\r\n\r\nx\r\n.", "250");
  await world.quiet();
  assert.match(String((await world.mailbox("ann@example.org"))[0]), /^Return-Path: <joe@origin\.test>/);
  assert.equal((await world.mailbox("bob@example.org")).length, 1);
  assert.equal(world.log.of("recipient-delivered").length, 3);
});
