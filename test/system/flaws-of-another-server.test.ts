/**
 * Flaws that outside review found in another mail server in the summer of 2026, by the date of its change log. Each that could
 * be ours is a test, whether or not it ever was. Elsewhere: a ticket of one listener at another (20260805) is in
 * src/node/network/node-network.test.ts, the record of MX hosts that is read beyond its end among the fuzz targets (`dns-answers`).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { minute, relayClient, SimulatedWorld, stranger } from "./support.ts";

const letter = "From: a@x.test\r\nSubject: hi\r\n\r\ntext\r\n";

test("20260724: after a refused BDAT the transaction is gone, in the middle of a message and of a chunk", async () => {
  await using world = await SimulatedWorld.start({ limits: { message_size: "1KB" } });
  const begin = async (client: Awaited<ReturnType<typeof world.client>>) => {
    await client.expect("MAIL FROM:<a@x.test>", "250");
    await client.expect("RCPT TO:<ann@example.org>", "250");
  };
  const refusals: readonly (readonly [string, string, string])[] = [
    ["too large at once", `BDAT 5000 LAST\r\n${"x".repeat(5000)}`, "552"],
    ["too large in the second chunk", `BDAT 10\r\n0123456789BDAT 5000\r\n${"x".repeat(5000)}`, "552"],
    ["a bare LF", "BDAT 30 LAST\r\nSubject: x\r\n\r\nbare\nline ends!!", "550"],
  ];
  for (const [what, octets, refusal] of refusals) {
    for (const next of ["DATA\r\n", "BDAT 5 LAST\r\nabcde", "RCPT TO:<ann@example.org>\r\n"]) {
      const client = await world.client();
      await begin(client);
      client.write(octets);
      let reply = await client.reply();
      if (reply.startsWith("250")) reply = await client.reply();
      assert.ok(reply.startsWith(refusal), `${what}: ${reply}`);
      client.write(next);
      assert.match(await client.reply(), /^503 /, `${what}, then ${next}`);
      await client.send("b@x.test", "ann@example.org", "From: b@x.test\r\nSubject: second\r\n\r\nx");
      await client.expect("QUIT", "221");
    }
  }
  await world.quiet();
  const mailbox = (await world.mailbox("ann@example.org")).map(String);
  assert.equal(mailbox.length, 9);
  for (const text of mailbox) assert.match(text, /^Return-Path: <b@x\.test>[^]*\nSubject: second\n\nx\n$/);
});

test("20260803: after a refusal at the end of data the next message is judged from the beginning", async () => {
  await using world = await SimulatedWorld.start({ dmarc: { reject: "always" } });
  world.resolver
    .add("bank.test", "TXT", `v=spf1 ip4:${stranger} -all`)
    .add("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject")
    .add("other.test", "TXT", "v=spf1 -all")
    .add("_dmarc.other.test", "TXT", "v=DMARC1; p=reject");
  const client = await world.client();
  const refuse = async () => {
    await client.expect("MAIL FROM:<a@other.test>", "250");
    await client.expect("RCPT TO:<ann@example.org>", "250");
    await client.expect("DATA", "354");
    await client.expect("From: a@other.test\r\n\r\nx\r\n.", "550 5.7.1");
  };
  await refuse();
  await client.expect("RCPT TO:<ann@example.org>", "503");
  await client.expect("DATA", "503");
  await client.expect("MAIL FROM:<a@bank.test>", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "550 5.7.1");
  await client.expect("DATA", "5");
  await client.expect("RSET", "250");
  // Neither does what passed let the next one pass, nor what failed the next one fail.
  for (let round = 0; round < 2; round++) {
    await client.send("a@bank.test", "ann@example.org", "From: a@bank.test\r\nSubject: good\r\n\r\nx");
    await refuse();
  }
  await world.quiet();
  const mailbox = (await world.mailbox("ann@example.org")).map(String);
  assert.equal(mailbox.length, 2);
  for (const text of mailbox) assert.match(text, /spf=pass smtp\.mailfrom=bank\.test/);
});

test("20260805: thousands of tiny chunks, empty ones too, leave no trace of each, and the message is whole", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await client.expect("MAIL FROM:<a@x.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  const told = () => world.log.events.filter(({ name }) => name !== "session-phase").length;
  const before = told();
  const body = `From: a@x.test\r\nSubject: x\r\n\r\n${"y".repeat(3000)}\r\n`;
  for (const octet of body) {
    client.write(`BDAT 0\r\nBDAT 1\r\n${octet}`);
    for (let chunk = 0; chunk < 2; chunk++) assert.match(await client.reply(), /^250 /);
  }
  assert.equal(told(), before);
  const id = /queued as (\w{12})/.exec(await client.expect("BDAT 0 LAST", "250 2.0.0"))?.[1] ?? assert.fail();
  await world.quiet();
  assert.ok(String((await world.mailbox("ann@example.org"))[0]).endsWith(body.replaceAll("\r\n", "\n")));
  const { stdout } = await world.command(`explain ${id} --data-dir /data`);
  assert.ok(stdout.split("\n").length < 40, "the history does not grow with the chunks");
});

test("20260812: a command with UTF-8 or other octets has one reply, in its turn and in ASCII", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  const odd = [
    "VRFY jos\u00e9",
    "VRFY \u{1f4e7}@example.org",
    "EXPN \u00fc",
    "HELP \u00e9",
    "NOOP \u00e9",
    "\u00e9\u00e9 x",
  ];
  const flight = odd.flatMap((line) => [line, "NOOP mark"]);
  client.write(flight.map((line) => `${line}\r\n`).join(""));
  for (const line of flight) {
    const reply = await client.reply();
    assert.match(reply, /^[\x20-\x7e\n]+$/, line);
    if (line === "NOOP mark") assert.match(reply, /^250 /, "a reply was missing, or one too many");
  }
  client.write(Buffer.from("VRFY \xff\xfe\r\nNOOP\r\n", "latin1"));
  assert.match(await client.reply(), /^[25]/);
  assert.match(await client.reply(), /^250 /);
});

test("20260816 20260817: content with a bare CR or LF leaves for nobody, whoever gave it", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { keywords: ["8BITMIME"] });
  const smuggled = "\n.\nMAIL FROM:<evil@x.test>\nRCPT TO:<victim@elsewhere.test>\nDATA\nsmuggled\n";
  for (const [open, expected] of [
    [() => world.client("mx", relayClient), /^550 5\.5\.2 /],
    // Repaired: one message, which holds all of it.
    [() => world.submitter(), /^250 /],
    [() => world.client("lmtp", relayClient), /^550 5\.5\.2 /],
  ] as const) {
    const client = await open();
    for (const ends of ["\n", "\r"]) {
      await client.expect("MAIL FROM:<ann@example.org>", "250");
      client.write("RCPT TO:<far@elsewhere.test>\r\n");
      if ((await client.reply()).startsWith("5")) {
        // LMTP delivers, and relays for nobody.
        await client.expect("RCPT TO:<ann@example.org>", "250");
      }
      await client.expect("DATA", "354");
      client.write(`From: ann@example.org\r\n\r\nx${smuggled.replaceAll("\n", ends)}\r\n.\r\n`);
      assert.match(await client.reply(), expected);
      await client.expect("RSET", "250");
    }
    // Where the content may have them by agreement, a next hop without that agreement gets nothing of it.
    const binary = `From: ann@example.org\r\n\r\nx${smuggled}`;
    await client.expect("MAIL FROM:<ann@example.org> BODY=BINARYMIME", "250");
    client.write("RCPT TO:<single@example.org>\r\n");
    await client.reply();
    client.write(`BDAT ${binary.length} LAST\r\n${binary}`);
    await client.reply();
  }
  await world.advance(minute);
  assert.deepEqual(
    peer.lines.filter((line) => /evil|victim|smuggled/.test(line)),
    [],
  );
  for (const { content } of peer.messages) assert.doesNotMatch(content.toString("latin1"), /[^\r]\n|\r(?!\n)/);
});

test("20260817: nothing that a client says of itself begins a line of ours", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  for (const name of ["x\rInjected: yes", "x\tInjected: yes", "x\0y"]) {
    client.write(`EHLO ${name}\r\n`);
    assert.match(await client.reply(), /^5/, JSON.stringify(name));
  }
  await client.expect(`EHLO ${"x".repeat(600)}\u0085Injected: yes`, "250");
  await client.expect("EHLO client.test", "250");
  await client.send(`"a\\"b c"@x.test`, "ann@example.org", letter.trimEnd());
  await world.quiet();
  const text = String((await world.mailbox("ann@example.org"))[0]);
  assert.doesNotMatch(text, /^Injected/m);
  assert.match(text, /^Return-Path: <"a\\"b c"@x\.test>\nDelivered-To: ann@example\.org\n/);
});

test("a NUL or a line break in an address is no address, so that it can write nothing into a mailbox", async () => {
  await using world = await SimulatedWorld.start();
  for (const octet of ["\0", "\r", "\x01", "\x7f"]) {
    const client = await world.client();
    client.write(`MAIL FROM:<"a${octet}b"@x.test>\r\n`);
    assert.match(await client.reply(), /^5/, JSON.stringify(octet));
    await client.expect("MAIL FROM:<a@x.test>", "250");
    client.write(`RCPT TO:<"ann${octet}"@example.org>\r\n`);
    assert.match(await client.reply(), /^5/, JSON.stringify(octet));
    await client.expect("QUIT", "221");
  }
});

test("ETRN starts no run of the queue: there is none such", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  for (let time = 0; time < 3; time++) await client.expect("ETRN example.org", "50");
  await client.expect("NOOP", "250");
});
