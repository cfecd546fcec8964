/** What strangers write into envelope and header turns none of our machinery on others: no reports, no held mail. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hour, minute, SimulatedWorld, stranger } from "./support.ts";

/** Its own server's address, which its SPF record names; everybody else is a forger. */
const bankServer = "198.51.100.77";

async function start(): Promise<SimulatedWorld> {
  const world = await SimulatedWorld.start();
  world.resolver.add("bank.test", "TXT", `v=spf1 ip4:${bankServer} -all`);
  world.resolver.add("victim.test", "TXT", "v=spf1 ip4:192.0.2.250 -all");
  return world;
}

/** One message by a fresh session; the reply to the content. */
async function send(
  world: SimulatedWorld,
  mail: { from: string; to: readonly string[]; content: string; client?: string; mail?: string },
): Promise<string> {
  const client = await world.client("mx", mail.client ?? stranger);
  await client.expect(`MAIL FROM:<${mail.from}>${mail.mail ?? ""}`, "250");
  for (const to of mail.to) await client.expect(`RCPT TO:${to}`, "250");
  await client.expect("DATA", "354");
  client.write(`${mail.content}\r\n.\r\n`);
  const reply = await client.reply();
  await client.expect("QUIT", "221");
  await world.quiet();
  return reply;
}

const automatic = (subject: string, more = "") =>
  `${more}From: noreply@bank.test\r\nAuto-Submitted: auto-generated\r\nSubject: ${subject}\r\n\r\ncode 123456`;

async function held(world: SimulatedWorld): Promise<readonly string[]> {
  const { stdout } = await world.command("queue list --state held --json --data-dir /data");
  return (JSON.parse(stdout) as { readonly recipients: readonly { readonly subject: string }[] }).recipients.map(
    ({ subject }) => subject,
  );
}

test("forgeries of a bank's automatic mail do not have the bank's own mail held", async () => {
  await using world = await start();
  const mail = { from: "noreply@bank.test", to: ["<bob@example.org>"] };
  const beenHere = "Received: from x by mail.example.org; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  for (let number = 0; number < 25; number++) {
    await send(world, { ...mail, content: automatic(`forged ${number}`) });
    await send(world, { ...mail, content: automatic(`forged with a trace of ours ${number}`, beenHere) });
    // Null reverse-paths count by their author.
    await send(world, { ...mail, from: "", content: automatic(`forged report ${number}`) });
  }
  assert.match(await send(world, { ...mail, client: bankServer, content: automatic("your code") }), /^250 /);
  assert.deepEqual(
    (await held(world)).filter((subject) => !subject.startsWith("forged with a trace of ours")),
    [],
  );
  assert.match(String((await world.mailbox("bob@example.org")).at(-1)), /Subject: your code/);
});

test("SMTPC-022: mail that has been here is held when it loops; automatic mail that has not is delivered", async () => {
  await using world = await start();
  const mail = { from: "noreply@bank.test", to: ["<bob@example.org>"], client: bankServer };
  const beenHere = "Received: from x by mail.example.org; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  for (let number = 0; number < 22; number++) {
    await send(world, { ...mail, content: automatic(`echo ${number}`, beenHere) });
    await send(world, { ...mail, content: automatic(`alert ${number}`) });
  }
  assert.deepEqual((await held(world)).toSorted(), ["echo 20", "echo 21"]);
  const delivered = (await world.mailbox("bob@example.org")).filter((message) =>
    /Subject: alert/.test(String(message)),
  );
  assert.equal(delivered.length, 22);
});

test("a Delivered-To that names the only mailbox is refused before the 250, and nobody gets a report", async () => {
  await using world = await start();
  await using victim = await world.peer("victim.test");
  const looping = "Delivered-To: Bob@Example.org\r\nFrom: a@evil.test\r\nSubject: Buy now\r\n\r\nspam";
  const mail = { from: "victim@victim.test", mail: " RET=FULL", content: looping };
  const refused = "554 5.4.6 Mail loop: Delivered-To shows that bob@example.org has already received this message";
  assert.equal(await send(world, { ...mail, to: ["<bob@example.org>"] }), refused);
  // One recipient is to get it, so it is accepted; that the other one loops is told to nobody.
  world.resolver.add("unknown.test", "TXT", "v=spf1 ?all");
  await using unknown = await world.peer("unknown.test");
  const both = ["<bob@example.org>", "<ann@example.org>"];
  const accepted = await send(world, { ...mail, from: "victim@unknown.test", to: both });
  const [, id = ""] = /queued as (\w{12})$/.exec(accepted) ?? [];
  await world.advance(hour);
  assert.equal((await world.mailbox("ann@example.org")).length, 1);
  assert.equal((await world.mailbox("bob@example.org")).length, 0);
  assert.deepEqual([victim.messages.length, unknown.messages.length], [0, 0]);
  const { stdout } = await world.command(`explain ${id} --data-dir /data`);
  assert.match(stdout, /mail forwarding loop for bob@example\.org/);
  assert.match(stdout, /nothing proves that its reverse-path is genuine/);
});

test("mail that fails later makes no report to a reverse-path for which SPF failed, and one to a reverse-path that passed", async () => {
  await using world = await start();
  await using bank = await world.peer("bank.test");
  await using elsewhere = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 gone" : undefined),
  });
  const mail = {
    from: "ann@bank.test",
    to: ["<single@example.org>"],
    content: "Subject: x\r\n\r\nx",
    mail: " RET=FULL",
  };
  assert.match(await send(world, mail), /^250 /);
  await world.advance(minute);
  assert.equal(elsewhere.verbs.filter((verb) => verb === "RCPT").length, 1);
  assert.equal(bank.messages.length, 0);
  assert.match(await send(world, { ...mail, client: bankServer }), /^250 /);
  await world.advance(minute);
  assert.equal(bank.messages.length, 1);
  assert.match(bank.messages[0]?.content.toString() ?? "", /^Status: 5\.1\.1\r$/m);
});

test("a stranger's NOTIFY=SUCCESS is not honoured for mail that goes to Junk or fails SPF, aliases included", async () => {
  await using world = await start();
  world.resolver.add("_dmarc.evil.test", "TXT", "v=DMARC1; p=reject");
  await using evil = await world.peer("evil.test");
  await using victim = await world.peer("victim.test");
  await using elsewhere = await world.peer("elsewhere.test", { keywords: ["DSN"] });
  const to = ["<bob@example.org> NOTIFY=SUCCESS", "<info@example.org> NOTIFY=SUCCESS,FAILURE"];
  const junk = "From: a@evil.test\r\nSubject: Buy\r\n\r\nspam";
  for (const from of ["someone@evil.test", "victim@victim.test"]) {
    assert.match(await send(world, { from, to, content: junk }), /^250 /);
  }
  await world.advance(minute);
  assert.deepEqual([evil.messages.length, victim.messages.length], [0, 0]);
  assert.doesNotMatch(elsewhere.lines.join("\n"), /SUCCESS/);

  await using bank = await world.peer("bank.test");
  const honest = {
    from: "ann@bank.test",
    to,
    content: "From: ann@bank.test\r\nSubject: x\r\n\r\nx",
    client: bankServer,
  };
  assert.match(await send(world, honest), /^250 /);
  await world.advance(minute);
  const told = bank.messages.map(({ content }) => String(/^Action: (\w+)/m.exec(content.toString())?.[1])).toSorted();
  assert.deepEqual(told, ["delivered", "expanded"]);
});
