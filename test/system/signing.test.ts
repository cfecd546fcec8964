/**
 * Signed mail, from `posthaste dkim generate` to the next hop: whole servers on simulated ports, DNS that changes under
 * them, and our own verifier and an independent one on the far side.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import { HeaderCollector, parseHeaderFields } from "../../src/message/header-section.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { day, hour, minute, SimulatedWorld } from "./support.ts";

interface ShownKey {
  readonly selector: string;
  readonly state: string;
  readonly record: { readonly name: string; readonly text: string; readonly quoted: string; readonly zone: string };
  readonly next: string;
  readonly dns: { readonly said: string } | null;
}

async function keysOf(world: SimulatedWorld, line: string): Promise<readonly ShownKey[]> {
  const { code, stdout, stderr } = await world.command(`${line} --json --data-dir /data`);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as { keys: ShownKey[] }).keys;
}

function publish(world: SimulatedWorld, keys: readonly ShownKey[]): void {
  for (const { record } of keys) world.resolver.add(record.name, "TXT", record.text);
}

/** `domain selector result` of each signature, by our verifier, which must agree with the other one. */
async function verify(world: SimulatedWorld, content: Buffer): Promise<readonly string[]> {
  const collector = new HeaderCollector();
  const progress = collector.push(content);
  assert.ok(progress.kind === "complete");
  const bodies = new BodyHashes();
  const options = { resolver: world.resolver, now: world.clock.now() };
  const verifier = new DkimVerifier(parseHeaderFields(progress.header), bodies, options);
  bodies.push(progress.rest);
  bodies.end();
  const ours = (await verifier.finish()).map(({ domain, selector, result }) => `${domain} ${selector} ${result}`);
  const { results } = await dkimVerify(content, {
    resolver: async (name: string) => {
      const answer = await world.resolver.query(name, "TXT");
      return answer.kind === "records" ? answer.records.map((record) => [record]) : [];
    },
  });
  const theirs = results
    .filter(({ status }) => status.result !== "none")
    .map(({ signingDomain, selector, status }) => `${signingDomain} ${selector} ${status.result}`);
  assert.deepEqual(ours, theirs);
  return ours;
}

const letter = [
  "From: Ann <ann@example.org>",
  "To: far@elsewhere.test",
  "Subject: hello",
  "",
  "text  with   spaces ",
  "",
].join("\r\n");

/** Submits a letter, lets it leave, and gives what arrived at the next hop. */
async function submit(world: SimulatedWorld, received: () => readonly Buffer[], content = letter): Promise<Buffer> {
  const before = received().length;
  const client = await world.submitter();
  await client.send("ann@example.org", "far@elsewhere.test", content);
  await client.expect("QUIT", "221");
  await world.quiet();
  return received()[before] ?? assert.fail("nothing was delivered");
}

test("from a new key to signed mail, and what happens when its record vanishes and returns", async () => {
  await using world = await SimulatedWorld.start();
  const peer = await world.peer("elsewhere.test");
  const received = () => peer.messages.map(({ content }) => Buffer.from(content));

  const made = await keysOf(world, "dkim generate example.org");
  assert.deepEqual(await verify(world, await submit(world, received)), []);
  publish(world, made);
  await world.advance(2 * minute);
  assert.deepEqual(
    (await keysOf(world, "dkim show example.org")).map(({ state, dns }) => `${state} ${dns?.said}`),
    ["published seen", "published seen"],
  );
  assert.deepEqual(await verify(world, await submit(world, received)), []);
  await world.advance(10 * minute);

  const signed = await submit(world, received);
  assert.match(signed.toString(), /^DKIM-Signature: v=1; a=rsa-sha256;/);
  assert.deepEqual(await verify(world, signed), [
    "example.org p20260101-rsa pass",
    "example.org p20260101-ed25519 pass",
  ]);
  const [, id = ""] = /\sid ([A-Z0-9]+)/.exec(signed.toString()) ?? [];
  const { stdout: explained } = await world.command(`explain ${id} --data-dir /data`);
  assert.match(
    explained,
    /Signed with p20260101-rsa\._domainkey\.example\.org, p20260101-ed25519\._domainkey\.example\.org\./,
  );

  for (const { record } of made) world.resolver.remove(record.name);
  await world.advance(hour);
  assert.deepEqual(await verify(world, await submit(world, received)), []);
  assert.deepEqual(
    new Set(world.log.of("dkim-key-vanished").map(({ record }) => record)),
    new Set(made.map(({ record }) => record.name)),
  );
  publish(world, made);
  await world.advance(10 * minute);
  assert.equal((await verify(world, await submit(world, received))).length, 2);
});

test("rotation: no letter leaves unsigned, and letters signed before verify after", async () => {
  await using world = await SimulatedWorld.start();
  const peer = await world.peer("elsewhere.test");
  const received = () => peer.messages.map(({ content }) => Buffer.from(content));
  publish(world, await keysOf(world, "dkim generate example.org --selector one --algorithm rsa"));
  await world.advance(10 * minute);
  const early = await submit(world, received);
  assert.deepEqual(await verify(world, early), ["example.org one pass"]);
  const next = await keysOf(world, "dkim rotate example.org");
  assert.deepEqual(await verify(world, await submit(world, received)), ["example.org one pass"]);
  publish(world, next);
  await world.advance(20 * minute);
  assert.deepEqual(await verify(world, await submit(world, received)), ["example.org p20260101-rsa pass"]);
  assert.deepEqual(await verify(world, early), ["example.org one pass"]);
  await world.advance(8 * day);
  const shown = await keysOf(world, "dkim show");
  assert.deepEqual(
    shown.map(({ selector, state }) => `${selector} ${state}`),
    ["one retired", "p20260101-rsa active"],
  );
  assert.match(shown[0]?.next ?? "", /Remove the record from DNS/);
});

test("a key for the wrong domain is removed, and the only one of another leaves its mail unsigned, as told", async () => {
  await using world = await SimulatedWorld.start();
  const peer = await world.peer("elsewhere.test");
  const received = () => peer.messages.map(({ content }) => Buffer.from(content));
  const remove = (line: string) => world.command(`dkim remove ${line} --data-dir /data`);
  await keysOf(world, "dkim generate exmaple.org --selector one --algorithm rsa");
  publish(world, await keysOf(world, "dkim generate example.org --selector one --algorithm rsa"));
  await world.advance(10 * minute);
  assert.match(
    (await remove("exmaple.org one --yes")).stdout,
    /^No mail needs the record one\._domainkey\.exmaple\.org/,
  );
  const signed = await submit(world, received);
  assert.deepEqual(await verify(world, signed), ["example.org one pass"]);
  const unasked = await remove("example.org one");
  assert.equal(unasked.code, 64);
  assert.match(unasked.stderr, /only active key/);
  assert.equal((await verify(world, await submit(world, received))).length, 1);
  assert.match(
    (await remove("example.org one --yes")).stdout,
    /^Leave the record one\._domainkey\.example\.org in DNS until 2/,
  );
  assert.deepEqual(await verify(world, await submit(world, received)), []);
  assert.deepEqual(await verify(world, signed), ["example.org one pass"], "its record is there");
  await world.stop();
  await world.start();
  assert.deepEqual(
    (await keysOf(world, "dkim show")).map(({ selector, state }) => `${selector} ${state}`),
    ["one retiring"],
  );
});

test("LIST-005: fields for unsubscribing with one click are covered by our signature, both, and as they stand", async () => {
  await using world = await SimulatedWorld.start();
  const peer = await world.peer("elsewhere.test");
  publish(world, await keysOf(world, "dkim generate example.org --selector s --algorithm rsa"));
  await world.advance(10 * minute);
  const fields = [
    "List-Unsubscribe: <https://lists.example.org/u/8f3a>",
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
  ];
  const issue = `${fields.join("\r\n")}\r\n${letter}`;
  const signed = await submit(world, () => peer.messages.map(({ content }) => Buffer.from(content)), issue);
  assert.deepEqual(await verify(world, signed), ["example.org s pass"]);
  const text = signed.toString("latin1");
  const names = (/\bh=([^;]*);/.exec(text)?.[1] ?? "").split(":").map((name) => name.trim().toLowerCase());
  for (const name of ["list-unsubscribe", "list-unsubscribe-post"]) assert.ok(names.includes(name), names.join());
  for (const field of fields) {
    assert.ok(text.includes(`\r\n${field}\r\n`));
    const changed = text.replace(field, field.replace(/.(?=>?$)/, "x"));
    assert.deepEqual(await verify(world, Buffer.from(changed, "latin1")), ["example.org s fail"], field);
    const without = text.replace(`${field}\r\n`, "");
    assert.deepEqual(await verify(world, Buffer.from(without, "latin1")), ["example.org s fail"], field);
  }
});

test("reports of ours leave signed by the domain above our name", async () => {
  await using world = await SimulatedWorld.start();
  publish(world, await keysOf(world, "dkim generate example.org --algorithm rsa"));
  await world.advance(10 * minute);
  const sender = await world.peer("origin.test");
  await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 No such user" : undefined),
  });
  await world.accept("sue@origin.test", "no@elsewhere.test", "From: sue@origin.test\r\nSubject: x\r\n\r\ntext");
  await world.advance(minute);
  const [report] = sender.messages;
  assert.match(report?.mail ?? "", /FROM:<>/);
  assert.deepEqual(await verify(world, Buffer.from(report?.content ?? "")), ["example.org p20260101-rsa pass"]);
});

test("a sub-domain's author is signed for by the domain above; a foreign one, and two From fields, are not", async () => {
  await using world = await SimulatedWorld.start();
  const peer = await world.peer("elsewhere.test");
  publish(world, await keysOf(world, "dkim generate example.org --selector s --algorithm ed25519"));
  await world.advance(10 * minute);
  for (const [from, expected] of [
    ["From: a@news.example.org", ["example.org s pass"]],
    ["From: a@example.net", []],
    ["From: a@example.org\r\nFrom: b@example.org", []],
  ] as const) {
    await world.accept("a@example.org", "far@elsewhere.test", `${from}\r\nSubject: x\r\n\r\ntext`);
    const last = peer.messages.at(-1) ?? assert.fail();
    assert.deepEqual(await verify(world, Buffer.from(last.content)), expected, from);
  }
});

test("mail of strangers is not signed, though it claims to be ours", async () => {
  await using world = await SimulatedWorld.start();
  publish(world, await keysOf(world, "dkim generate example.org --algorithm rsa"));
  await world.advance(10 * minute);
  const client = await world.client("mx");
  await client.send("eve@evil.test", "ann@example.org", "From: ann@example.org\r\nSubject: x\r\n\r\ntext");
  await world.quiet();
  const [mail] = await world.mailbox("ann@example.org");
  assert.doesNotMatch(mail?.toString() ?? "", /^DKIM-Signature:/m);
});

test("a declared key signs; commands show it, print its record and never a private key", async () => {
  await using world = await SimulatedWorld.start({
    dkim: { key: [{ domain: "example.org", selector: "old", key: testKey("rsa", 1) }] },
  });
  const peer = await world.peer("elsewhere.test");
  const { stdout: unpublished } = await world.command("dkim show --data-dir /data");
  assert.match(
    unpublished,
    /Zone {6}old\._domainkey\.example\.org\. 3600 IN TXT \( "v=DKIM1; k=rsa; p=[^"]{200,}" "[^"]+" \)/,
  );
  publish(world, await keysOf(world, "dkim show"));
  await world.advance(10 * minute);
  const arrived = await submit(world, () => peer.messages.map(({ content }) => Buffer.from(content)));
  assert.deepEqual(await verify(world, arrived), ["example.org old pass"]);
  await world.command("dkim generate example.org --algorithm ed25519 --data-dir /data");
  const { stdout } = await world.command("dkim show --data-dir /data");
  assert.match(stdout, /old\._domainkey\.example\.org \(rsa\)/);
  assert.match(stdout, /declared in the configuration/);
  assert.match(stdout, /old\._domainkey\.example\.org\n {2}Value {5}v=DKIM1; k=rsa; p=/);
  assert.doesNotMatch(unpublished + stdout, /PRIVATE|MIIEv|MC4CAQ/);
});
