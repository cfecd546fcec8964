/** Strangers' mail on a whole server: from DNS to the folder it ends in, and what is told about it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { hour, settingsOf, SimulatedWorld, stranger } from "./support.ts";

const forged = "From: Chef <chef@bank.example>\r\nSubject: pay\r\n\r\nnow";

function publish(world: SimulatedWorld): void {
  world.resolver
    .add("bank.example", "TXT", "v=spf1 ip4:192.0.2.77 -all")
    .add("_dmarc.bank.example", "TXT", "v=DMARC1; p=reject");
}

function junkOf(world: SimulatedWorld): readonly string[] {
  return world.files.paths.filter((path) => path.startsWith("/data/mail/example.org/ann/.Junk/new/"));
}

test("DMARC-014: a forgery ends in Junk, and explain says why in sentences", async () => {
  await using world = await SimulatedWorld.start();
  publish(world);
  const id = await (await world.client()).send("chef@bank.example", "ann@example.org", forged);
  await world.quiet();
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
  const [path = "", ...others] = junkOf(world);
  assert.equal(others.length, 0);
  const mail = String(Buffer.from(await world.files.readFile(path)));
  assert.match(mail, /^Return-Path: .*\nDelivered-To: .*\nAuthentication-Results: mail\.example\.org;\n/);
  assert.match(mail, /\n\tdmarc=fail \(p=reject dis=quarantine\) header\.from=bank\.example\n/);
  assert.match(mail, /\nX-Spam-Flag: YES\nReceived: /);
  assert.ok(world.files.paths.includes("/data/mail/example.org/ann/.Junk/maildirfolder"));
  const { stdout } = await world.command(`explain ${id} --data-dir /data`);
  assert.match(stdout, /SPF fail for bank\.example: /);
  assert.match(stdout, /DMARC fail for bank\.example, which asks for reject: /);
  assert.match(stdout, /Marked for Junk: .*\(rule reject-never, dmarc\.reject\)/);
});

test("a reload changes what is done with the next message, also in a session that is open", async () => {
  await using world = new SimulatedWorld();
  const next = { settings: {} };
  await world.start({}, { reload: () => Promise.resolve(settingsOf(next.settings)) });
  publish(world);
  const client = await world.client();
  await client.send("chef@bank.example", "ann@example.org", forged);
  next.settings = { dmarc: { reject: "always" } };
  assert.deepEqual(await world.server.reload(), { ok: true });
  await client.expect("MAIL FROM:<chef@bank.example>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  await client.expect(`${forged}\r\n.`, "550 5.7.1 Mail from bank.example fails DMARC (policy reject): SPF fail");
  next.settings = { authentication: { check: false } };
  assert.deepEqual(await world.server.reload(), { ok: true });
  await client.send("chef@bank.example", "ann@example.org", forged);
  await world.quiet();
  assert.equal(junkOf(world).length, 1);
  assert.equal((await world.mailbox("ann@example.org")).length, 1);
});

test("mail of our own that comes back from outside bears a signature that these checks accept", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  world.resolver.add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
  const { stdout } = await world.command("dkim generate example.org --json --data-dir /data");
  const { keys } = JSON.parse(stdout) as { keys: { record: { name: string; text: string } }[] };
  for (const { record } of keys) world.resolver.add(record.name, "TXT", record.text);
  await world.advance(hour);
  await (await world.submitter()).send("ann@example.org", "far@elsewhere.test", "From: ann@example.org\r\n\r\nhello");
  await world.quiet();
  const [sent] = peer.messages;
  const content = String(sent?.content ?? "").replace(/\r\n$/, "");
  assert.match(content, /^DKIM-Signature: /);
  await (await world.client("mx", stranger)).send("list-bounces@list.example", "bob@example.org", content);
  await world.quiet();
  const [mail = ""] = (await world.mailbox("bob@example.org")).map(String);
  assert.match(mail, /dkim=pass header\.d=example\.org/);
  assert.match(mail, /dmarc=pass \(p=reject dis=none\)/);
});

test("ARC-006 ARC-007: what we sealed when it passed is believed when it comes back, once the sealer is trusted", async () => {
  await using world = new SimulatedWorld();
  const next: { settings: Partial<SettingsInput> } = { settings: {} };
  await world.start({}, { reload: () => Promise.resolve(settingsOf(next.settings)) });
  publish(world);
  await using peer = await world.peer("elsewhere.test");
  const { stdout } = await world.command("dkim generate example.org --json --data-dir /data");
  const { keys } = JSON.parse(stdout) as { keys: { record: { name: string; text: string } }[] };
  for (const { record } of keys) world.resolver.add(record.name, "TXT", record.text);
  await world.advance(hour);
  await (await world.client("mx", "192.0.2.77")).send("chef@bank.example", "single@example.org", forged);
  await world.quiet();
  const sealed = String(peer.messages[0]?.content ?? "").replace(/\r\n$/, "");
  assert.match(sealed, /^ARC-Seal: /);

  const returned = async () => {
    await (await world.client()).send("bounces@elsewhere.test", "ann@example.org", sealed);
    await world.quiet();
    return [(await world.mailbox("ann@example.org")).length, junkOf(world).length];
  };
  assert.deepEqual(await returned(), [0, 1], "a chain of a sealer that nobody named changes nothing");
  next.settings = { authentication: { trusted_sealers: ["example.org"] } };
  assert.deepEqual(await world.server.reload(), { ok: true });
  assert.deepEqual(await returned(), [1, 1]);
  const [mail = ""] = (await world.mailbox("ann@example.org")).map(String);
  assert.match(mail, /arc=pass \(i=1\) header\.oldest-pass=0 smtp\.remote-ip=198\.51\.100\.7;/);
  assert.match(mail, /dmarc=fail \(p=reject dis=none\)/);
});
