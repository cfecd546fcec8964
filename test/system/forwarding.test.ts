/** Mail that an address of ours leads to another domain: how it leaves, and how its bounces come back through us. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import { ArcValidator } from "../../src/arc/arc-validator.ts";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { recordText } from "../../src/dkim/signing-key.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { type RecordChange, SpoolError } from "../../src/spool/spool.ts";
import type { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { addresses, baseSettings, type Client, day, hour, minute, SimulatedWorld } from "./support.ts";

const bounce =
  "From: mailer-daemon@elsewhere.test\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\n\r\nNo such user.";

function reversePath(peer: ScriptedPeer, index = 0): string {
  const { mail } = peer.messages[index] ?? assert.fail(`message ${index} did not come`);
  return /<(.*)>/.exec(mail)?.[1] ?? assert.fail(mail);
}

/** From a stranger. */
async function receive(
  world: SimulatedWorld,
  from: string,
  to: string,
  content = "From: Joe <joe@origin.test>\r\n\r\nx",
) {
  const client = await world.client();
  const id = await client.send(from, to, content);
  await client.expect("QUIT", "221");
  await world.quiet();
  return id;
}

async function refused(client: Client, address: string, how = "550 5.1.1"): Promise<void> {
  await client.expect("MAIL FROM:<>", "250");
  await client.expect(`RCPT TO:<${address}>`, how);
  await client.expect("RSET", "250");
}

test("forwarded mail leaves from an address of ours, and a bounce to that goes to the original sender", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await receive(world, "Joe.Bloggs@origin.test", "single@example.org");
  const rewritten = reversePath(far);
  assert.match(rewritten, /^SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=origin\.test=Joe\.Bloggs@mail\.example\.org$/);
  assert.deepEqual(addresses(far), ["far@elsewhere.test"]);

  await receive(world, "", rewritten, bounce);
  assert.deepEqual(addresses(origin), ["Joe.Bloggs@origin.test"]);
  assert.equal(reversePath(origin), "", "LIST-002: the null reverse-path stays null");
  assert.match(String(origin.messages[0]?.content), /No such user/);
  // A relay on the way wrote it in lower case.
  await receive(world, "", rewritten.toLowerCase(), bounce);
  assert.equal(addresses(origin)[1], "joe.bloggs@origin.test");
});

test("what is captured of forwarded mail is what would have left", async () => {
  await using world = await SimulatedWorld.start({ route: [{ domain: "elsewhere.test", via: "capture" }] });
  const id = await receive(world, "joe@origin.test", "single@example.org");
  const { stdout } = await world.command("inbox list --json --data-dir /data");
  const [captured] = (JSON.parse(stdout) as { messages: { id: string; from: string; to: string[] }[] }).messages;
  assert.equal(captured?.id, id);
  assert.match(captured.from, /^SRS0=[^=]+=[^=]+=origin\.test=joe@mail\.example\.org$/);
  assert.deepEqual(captured.to, ["far@elsewhere.test"]);
});

test("ARC-005: forwarded mail is sealed with what was found on receipt, under the fields of its way here", async () => {
  await using world = await SimulatedWorld.start({
    dkim: { require_published: false, key: [{ domain: "example.org", selector: "s1", key: testKey("rsa") }] },
  });
  await using far = await world.peer("elsewhere.test");
  world.resolver.add("origin.test", "TXT", "v=spf1 ip4:198.51.100.7 -all");
  world.resolver.add("s1._domainkey.example.org", "TXT", recordText(createPrivateKey(testKey("rsa"))));
  await receive(world, "joe@origin.test", "info@example.org");
  const sent = far.messages[0]?.content ?? assert.fail("nothing came");
  const header = parseHeaderFields(sent);
  const names = header.fields.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 3), ["arc-seal", "arc-message-signature", "arc-authentication-results"]);
  assert.ok(!names.includes("dkim-signature"), "docs/decisions/forwarded-mail-is-not-signed.md");
  const bodies = new BodyHashes();
  const validator = new ArcValidator(header, bodies, { resolver: world.resolver, now: world.clock.now() });
  bodies.push(sent.subarray(sent.indexOf("\r\n\r\n") + 2));
  bodies.end();
  const outcome = await validator.finish();
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.match(outcome.sealersFound?.[0] ?? "", /^\s*mail\.example\.org;[^]*spf=pass/);
  const [mail = ""] = (await world.mailbox("ann@example.org")).map(String);
  assert.doesNotMatch(mail, /^ARC-/m, "what stays here has no seal");
});

test("a forgery of our own domain is not proved by being forwarded: 550 5.7.1; others' mail and our own goes on", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  world.resolver.add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
  world.resolver.add("_dmarc.origin.test", "TXT", "v=DMARC1; p=reject");
  const send = async (from: string, author: string, how: string, to = "info@example.org") => {
    const client = await world.client();
    await client.expect(`MAIL FROM:<${from}>`, "250");
    await client.expect(`RCPT TO:<${to}>`, "250");
    await client.expect("DATA", "354");
    await client.expect(`From: ${author}\r\nSubject: x\r\n\r\nx\r\n.`, how);
    await client.expect("QUIT", "221");
    await world.quiet();
  };
  await send("evil@evil.test", "boss@example.org", "550 5.7.1");
  await send("ann@example.org", "ann@example.org", "550 5.7.1");
  await send("", "boss@example.org", "550 5.7.1");
  assert.equal(far.messages.length, 0);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
  // What stays here, and what another domain's owner may judge, is taken.
  await send("evil@evil.test", "boss@example.org", "250", "ann@example.org");
  await send("evil@evil.test", "joe@origin.test", "250");
  assert.equal(far.messages.length, 1);
  assert.equal(world.log.of("content-refused")[0]?.["reason"], "forwarded-author-forged");
});

test("a subdomain of ours with a record of its own is no way round that, nor are U-labels; DNS trouble is 451", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  for (const domain of ["example.org", "news.example.org", "xn--bcher-kva.example"]) {
    world.resolver.add(`_dmarc.${domain}`, "TXT", "v=DMARC1; p=reject");
  }
  world.resolver.add("_dmarc.own.example.org", "TXT", "v=DMARC1; p=reject; psd=n");
  const send = async (from: string, author: string, how: string) => {
    const client = await world.client();
    await client.expect(`MAIL FROM:<${from}> SMTPUTF8`, "250");
    await client.expect("RCPT TO:<single@example.org>", "250");
    await client.expect("DATA", "354");
    await client.expect(`From: ${author}\r\nSubject: x\r\n\r\nx\r\n.`, how);
    await client.expect("QUIT", "221");
    await world.quiet();
  };
  // Nothing that passed was to be compared, so the evaluation asked for no organisation.
  await send("evil@evil.test", "boss@news.example.org", "550 5.7.1");
  await send("", "boss@news.example.org", "550 5.7.1");
  await send("evil@bücher.example", "boss@xn--bcher-kva.example", "550 5.7.1");
  world.resolver.fail("_dmarc.mail.example.org");
  await send("evil@evil.test", "boss@news.example.org", "451 4.7.1");
  world.resolver.heal("_dmarc.mail.example.org");
  assert.equal(far.messages.length, 0);
  // An organisation apart, by its own word: the next server finds what we found.
  await send("evil@evil.test", "boss@own.example.org", "250");
  assert.equal(far.messages.length, 1);
});

test("DNS trouble of a forger's making does not prove a forgery: its own slow key, and dmarc.temporary_failure = deliver", async () => {
  await using world = await SimulatedWorld.start({ dmarc: { temporary_failure: "deliver" } });
  await using far = await world.peer("elsewhere.test");
  for (const domain of ["example.org", "news.example.org"]) {
    world.resolver.add(`_dmarc.${domain}`, "TXT", "v=DMARC1; p=reject");
  }
  world.resolver.add("evil.org", "TXT", "v=spf1 +all");
  world.resolver.hold("s._domainkey.evil.org", "TXT", new Promise(() => undefined));
  const tags =
    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=evil.org; s=s; h=from; bh=s14J+iztnrytnRYzb7lhFG/jS/vrxWJnnahfijFMnco=";
  const signature = `DKIM-Signature: ${tags}; b=${"A".repeat(344)}`;
  const client = await world.client();
  await client.expect("MAIL FROM:<evil@evil.org>", "250");
  await client.expect("RCPT TO:<single@example.org>", "250");
  await client.expect("DATA", "354");
  client.write(`${signature}\r\nFrom: boss@news.example.org\r\nSubject: x\r\n\r\nx\r\n.\r\n`);
  await world.advance(minute);
  assert.match(await client.reply(), /^451 4\.7\.1 /);
  await client.expect("QUIT", "221");
  await world.quiet();
  assert.equal(far.messages.length, 0);
});

test("with a forwarding domain of its own the same forgery is forwarded, and fails DMARC there", async () => {
  await using world = await SimulatedWorld.start({ forwarding: { domain: "fwd.example.net" } });
  await using far = await world.peer("elsewhere.test");
  world.resolver.add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
  await receive(world, "evil@evil.test", "single@example.org", "From: boss@example.org\r\nSubject: x\r\n\r\nx");
  assert.match(reversePath(far), /@fwd\.example\.net$/);
});

test("a spool that cannot keep a long reverse-path is 451 or 452, and nothing is kept", async () => {
  await using world = new SimulatedWorld();
  let full = true;
  world.wrapSpool = (spool) =>
    new Proxy(spool, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "changeRecords") return value.bind(target) as unknown;
        return (changes: readonly RecordChange[]) =>
          full && changes.some(({ namespace }) => namespace === "srs-kept")
            ? Promise.reject(new SpoolError("no-space", "full"))
            : target.changeRecords(changes);
      },
    });
  await world.start();
  await using far = await world.peer("elsewhere.test");
  const client = await world.client();
  for (const answer of ["452 4.3.1", "250"]) {
    await client.expect(`MAIL FROM:<${"x".repeat(60)}@origin.test>`, "250");
    await client.expect("RCPT TO:<single@example.org>", "250");
    await client.expect("DATA", "354");
    await client.expect("From: joe@origin.test\r\nSubject: x\r\n\r\nx\r\n.", answer);
    full = false;
  }
  await client.expect("QUIT", "221");
  await world.quiet();
  assert.equal(far.messages.length, 1);
});

test("LIST-001: the mailbox behind the same alias sees the original reverse-path, and the author's fields stay", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  const id = await receive(world, "joe@origin.test", "info@example.org");
  const [mail = ""] = (await world.mailbox("ann@example.org")).map(String);
  assert.match(mail, /^Return-Path: <joe@origin\.test>\n/);
  assert.match(reversePath(far), /^SRS0=/);
  const sent = far.messages[0]?.content ?? assert.fail("nothing came");
  assert.equal(parseHeaderFields(sent).first("from")?.value, "Joe <joe@origin.test>");
  const { stdout } = await world.command(`explain ${id} --data-dir /data`);
  assert.match(stdout, /far@elsewhere\.test \(given as info@example\.org\): relayed\n {2}from {2}<?SRS0=.*, rewritten/);
  assert.match(stdout, /without an ARC seal: there is no published RSA key for it \("posthaste dkim show"\)\n/);
  const told = await world.command(`explain ${id} --json --data-dir /data`);
  const { recipients } = JSON.parse(told.stdout) as { recipients: { address: string; unsealed?: string }[] };
  assert.equal(recipients.find(({ address }) => address === "far@elsewhere.test")?.unsealed, "no-key");
});

test("LIST-002: the null reverse-path, those of our own domains, and mail of our own users leave as they are", async () => {
  await using world = await SimulatedWorld.start({
    domain: [{ name: "example.org", catch_all: "far@elsewhere.test" }, { name: "bücher.example" }],
  });
  await using far = await world.peer("elsewhere.test");
  await receive(world, "", "single@example.org", bounce);
  await receive(world, "bob@example.org", "single@example.org");
  await world.accept("joe@origin.test", "single@example.org");
  const submitter = await world.submitter();
  await submitter.send("ann@example.org", "single@example.org", "From: ann@example.org\r\n\r\nx");
  await world.quiet();
  assert.deepEqual(
    far.messages.map((_, index) => reversePath(far, index)),
    ["", "bob@example.org", "joe@origin.test", "ann@example.org"],
  );
  await receive(world, "joe@origin.test", "nobody@example.org");
  assert.match(reversePath(far, 4), /^SRS0=/, "a catch-all forwards too");
});

test("what the server at the other end refuses in the session is reported to the original sender", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no such user" : undefined),
  });
  await using origin = await world.peer("origin.test");
  await receive(world, "joe@origin.test", "single@example.org");
  await world.advance(minute);
  assert.ok(far.lines.some((line) => line.startsWith("MAIL FROM:<SRS0=")));
  assert.deepEqual(addresses(origin), ["joe@origin.test"]);
  assert.equal(reversePath(origin), "");
});

test("another forwarder's address becomes SRS1; its bounce goes to that forwarder", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using first = await world.peer("first.test");
  const theirs = "SRS0+abcd=EF=origin.test=joe@first.test";
  await receive(world, theirs, "single@example.org");
  const rewritten = reversePath(far);
  assert.match(rewritten, /^SRS1=[A-Z2-7]{8}=first\.test=\+abcd=EF=origin\.test=joe@mail\.example\.org$/);
  await receive(world, "", rewritten, bounce);
  assert.deepEqual(addresses(first), [theirs]);
});

test("a reverse-path too long to be carried comes back from the spool, also after a restart", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using mailer = await world.peer("mailer.origin.test");
  const long = `bounce-${"0123456789".repeat(4)}=x@mailer.origin.test`;
  await receive(world, long, "single@example.org");
  const rewritten = reversePath(far);
  assert.match(rewritten, /^SRS0=\w{8}=\w\w=_=\w{16}@mail\.example\.org$/);
  await world.stop();
  await world.start();
  await receive(world, "", rewritten, bounce);
  assert.deepEqual(addresses(mailer), [long]);
});

test("forged, changed and expired addresses are refused, whoever asks; a catch-all does not take them", async () => {
  await using world = await SimulatedWorld.start({
    domain: [{ name: "example.org", catch_all: "ann@example.org" }, { name: "bücher.example" }],
    forwarding: { domain: "example.org" },
  });
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await receive(world, "joe@origin.test", "single@example.org");
  const rewritten = reversePath(far);
  const client = await world.client();
  for (const forged of [
    rewritten.replace("=joe@", "=jim@"),
    rewritten.replace("=origin.test=", "=victim.test="),
    rewritten.replace(/=\w{8}=/, "=AAAAAAAA="),
    "SRS0=AAAA=BB=victim.test=joe@example.org",
    "SRS1=AAAAAAAA=victim.test==BB=CC=x.test=joe@example.org",
  ]) {
    await refused(client, forged);
  }
  await client.expect("QUIT", "221");
  const submitter = await world.submitter();
  await submitter.expect("MAIL FROM:<ann@example.org>", "250");
  await submitter.expect(`RCPT TO:<${rewritten.replace("=joe@", "=jim@")}>`, "550 5.1.1");
  await submitter.expect("QUIT", "221");
  world.clock.jump(21 * day);
  await world.advance(day);
  const late = await world.client();
  await refused(late, rewritten, "550 5.1.1 This forwarding address has expired");
  await late.expect("QUIT", "221");
  assert.equal(origin.sessions, 0);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
  const reasons = world.log.of("recipient-refused").map(({ reason }) => reason);
  assert.deepEqual([...new Set(reasons)], ["forwarding-address-forged", "forwarding-address-expired"]);
});

test("keys rotate: a bounce comes back over the change of keys, and none after its address's time", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await world.stop();
  world.clock.jump(29 * day);
  await world.start();
  await receive(world, "joe@origin.test", "single@example.org");
  const before = reversePath(far);
  await world.advance(2 * day);
  assert.equal(world.log.of("forwarding-keys-changed").length, 2);
  await receive(world, "joe@origin.test", "single@example.org");
  assert.notEqual(reversePath(far, 1).slice(0, 13), before.slice(0, 13));
  await receive(world, "", before, bounce);
  assert.deepEqual(addresses(origin), ["joe@origin.test"]);
  await world.stop();
  await world.start();
  await receive(world, "", before, bounce);
  assert.equal(addresses(origin).length, 2, "the keys are on disk");
  world.clock.jump(20 * day);
  await world.advance(day);
  const client = await world.client();
  await refused(client, before);
});

test("automatic answers and questions with a reverse-path are taken, and forwarded in their turn", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await receive(world, "joe@origin.test", "single@example.org");
  const rewritten = reversePath(far);
  const prober = await world.client();
  await prober.expect("MAIL FROM:<double-bounce@elsewhere.test>", "250");
  await prober.expect(`RCPT TO:<${rewritten}>`, "250");
  await prober.expect("QUIT", "221");
  await receive(
    world,
    "far@elsewhere.test",
    rewritten,
    "From: far@elsewhere.test\r\nAuto-Submitted: auto-replied\r\n\r\nAway",
  );
  assert.deepEqual(addresses(origin), ["joe@origin.test"]);
  assert.match(reversePath(origin), /^SRS0=.*=elsewhere\.test=far@mail\.example\.org$/);
});

test("an address whose domain has become ours meanwhile is a recipient like any other of it", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await receive(world, "cat@later.test", "single@example.org");
  const rewritten = reversePath(far);
  await receive(world, "nobody@later.test", "single@example.org");
  await world.stop();
  await world.start({
    domain: [{ name: "example.org" }, { name: "bücher.example" }, { name: "later.test" }],
    user: [...(baseSettings.user ?? []), { address: "cat@later.test" }],
  });
  await receive(world, "", rewritten, bounce);
  await world.advance(minute);
  assert.equal((await world.mailbox("cat@later.test")).length, 1);
  const client = await world.client();
  await refused(client, reversePath(far, 1));
});

test("our own report on mail that came back to us goes to the original sender; to a forged one it does not go at all", async () => {
  await using world = await SimulatedWorld.start({
    alias: [...(baseSettings.alias ?? []), { address: "back@example.org", to: ["gone@full.test"] }],
  });
  await using far = await world.peer("elsewhere.test");
  await using full = await world.peer("full.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no such user" : undefined),
  });
  await using origin = await world.peer("origin.test");
  const long = `bounce-${"0123456789".repeat(5)}@origin.test`;
  for (const [index, from] of ["joe@origin.test", '"a b"@origin.test', long].entries()) {
    await receive(world, from, "single@example.org");
    // As the forwarder at the other end sends it on: the reverse-path stays.
    await receive(world, reversePath(far, index), "back@example.org");
    await world.advance(minute);
    assert.equal(addresses(origin).at(-1), from);
  }
  assert.ok(full.lines.some((line) => line.startsWith("MAIL FROM:<SRS0=")));
  await receive(world, "SRS0=AAAAAAAA=AA=origin.test=victim@mail.example.org", "back@example.org");
  await world.advance(minute);
  assert.equal(addresses(origin).length, 3);
  assert.deepEqual(
    world.files.paths.filter((path) => path.includes("mail.example.org/srs")),
    [],
  );
});

test("SMTPC-022: we forward to them and they to us: the circle is stopped, with the reverse-path rewritten once", async () => {
  await using world = await SimulatedWorld.start({ queue: { loop_limit: 0, hop_limit: 20 } });
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await receive(world, "joe@origin.test", "round@example.org");
  let rounds = 0;
  for (let message = far.messages[0]; message !== undefined; message = far.messages[rounds]) {
    rounds++;
    const client = await world.client();
    await client.expect(`MAIL FROM:<${reversePath(far, rounds - 1)}>`, "250");
    await client.expect("RCPT TO:<round@example.org>", "250");
    await client.expect("DATA", "354");
    client.write("Received: from mail.example.org by there.test; Thu, 1 Jan 2026 00:00:00 +0000\r\n");
    client.write(message.content);
    client.write(".\r\n");
    assert.match(await client.reply(), /^250 /);
    await world.quiet();
  }
  assert.equal(rounds, 5);
  assert.equal(new Set(far.messages.map((_, index) => reversePath(far, index))).size, 1);
  await world.advance(hour);
  // Our own rewritten reverse-path shows that the message left here, so its sender is told.
  assert.deepEqual(addresses(origin), ["joe@origin.test"]);
});

test("rewriting turned off leaves the reverse-path, and still honours what was rewritten", async () => {
  await using world = await SimulatedWorld.start();
  await using far = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await receive(world, "joe@origin.test", "single@example.org");
  await world.stop();
  await world.start({ forwarding: { rewrite_sender: false } });
  await receive(world, "joe@origin.test", "single@example.org");
  assert.equal(reversePath(far, 1), "joe@origin.test");
  await receive(world, "", reversePath(far), bounce);
  await world.advance(minute);
  assert.deepEqual(addresses(origin), ["joe@origin.test"]);
});
