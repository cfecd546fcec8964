/** What goes wrong with the server itself: loops, full and broken disks, stops, restarts, clients that say nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpoolError, type MessageWriter, type Spool } from "../../src/spool/spool.ts";
import {
  addresses,
  Client,
  hour,
  minute,
  relayClient,
  second,
  settingsOf,
  SimulatedWorld,
  stranger,
} from "./support.ts";

/** Every message that reaches the peer comes back to us, as a forwarder at the other end would do. */
async function bringBack(
  world: SimulatedWorld,
  peer: { readonly messages: readonly { content: Buffer; mail: string }[] },
) {
  let rounds = 0;
  for (;;) {
    const message = peer.messages[rounds];
    if (message === undefined) return { rounds, refusal: undefined };
    rounds++;
    const client = await world.client("mx", stranger);
    await client.expect(`MAIL FROM:${/<.*?>/.exec(message.mail)?.[0] ?? "<>"}`, "250");
    await client.expect("RCPT TO:<round@example.org>", "250");
    await client.expect("DATA", "354");
    client.write(`Received: from mail.example.org by there.test; Thu, 1 Jan 2026 00:00:00 +0000\r\n`);
    client.write(message.content);
    client.write(".\r\n");
    const reply = await client.reply();
    if (!reply.startsWith("250")) return { rounds, refusal: reply };
    await client.expect("QUIT", "221");
    await world.quiet();
  }
}

test("SMTPC-022: a forwarding loop ends at five Received fields of ours, and the first sender is told", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  await using origin = await world.peer("origin.test");
  await world.accept("joe@origin.test", "round@example.org");
  const { rounds, refusal } = await bringBack(world, peer);
  assert.equal(refusal, undefined);
  assert.equal(rounds, 5);
  await world.advance(hour);
  assert.deepEqual(
    origin.messages.map(({ content }) => /^Status: (.*)\r$/m.exec(Buffer.from(content).toString("latin1"))?.[1]),
    ["5.4.6"],
  );
  assert.equal((await world.stats()).held, 0);
});

test("SMTPC-022: a stranger's message with five Received fields of ours is refused, as nothing shows whom to tell", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await client.expect("MAIL FROM:<joe@origin.test>", "250");
  await client.expect("RCPT TO:<bob@example.org>", "250");
  await client.expect("DATA", "354");
  client.write("Received: from a by mail.example.org; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(5));
  client.write("Subject: round\r\n\r\ntext\r\n.\r\n");
  assert.match(
    await client.reply(),
    /^554 5\.4\.6 Mail loop: the message has passed through this server several times/,
  );
  assert.deepEqual(await world.reports("joe@origin.test"), []);
});

test("SMTPC-005: an MX that is ourselves is no next hop; the sender is told 5.4.6", async () => {
  await using world = await SimulatedWorld.start();
  world.resolver.addMx("mine.test", "10 mail.example.org").add("mail.example.org", "A", "192.0.2.25");
  world.resolver.addMx("byaddress.test", "10 alias.test").add("alias.test", "A", "192.0.2.25");
  await world.accept("ann@example.org", ["a@mine.test", "b@byaddress.test"]);
  await world.advance(minute);
  const told = (await world.reports("ann@example.org")).flatMap(({ recipients }) =>
    recipients.map((fields) => `${fields.get("final-recipient")} ${fields.get("status")}`),
  );
  assert.deepEqual(told.toSorted(), ["rfc822; a@mine.test 5.4.6", "rfc822; b@byaddress.test 5.4.6"]);
});

/** A spool whose next commits fail in this way. */
function failingCommits(faults: SpoolError[]): (spool: Spool) => Spool {
  return (spool) =>
    new Proxy(spool, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "begin") return value.bind(target) as unknown;
        return (): MessageWriter => {
          const writer = target.begin();
          const commit: MessageWriter["commit"] = (message, options) => {
            const fault = faults.shift();
            return fault === undefined ? writer.commit(message, options) : Promise.reject(fault);
          };
          return {
            get size() {
              return writer.size;
            },
            append: (bytes) => writer.append(bytes),
            commit,
            abort: () => writer.abort(),
            [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
          };
        };
      },
    });
}

test("SMTP-040: a full disk is 452 4.3.1, a broken spool 451 4.3.0, nothing is kept or delivered, and then it goes on", async () => {
  const world = new SimulatedWorld();
  world.wrapSpool = failingCommits([new SpoolError("no-space", "full"), new SpoolError("failed", "broken")]);
  await world.start();
  const client = await world.client();
  for (const refusal of ["452 4.3.1", "451 4.3.0"]) {
    await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
    await client.expect("RCPT TO:<ann@example.org>", "250");
    await client.expect("DATA", "354");
    await client.expect("Subject: x\r\n\r\nx\r\n.", refusal);
  }
  await world.advance(hour);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
  assert.deepEqual(await world.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
  const later = await world.client();
  await later.send("joe@elsewhere.test", "ann@example.org", "From: joe@elsewhere.test\r\nSubject: x\r\n\r\nx");
  await world.quiet();
  assert.equal((await world.mailbox("ann@example.org")).length, 1);
  await world[Symbol.asyncDispose]();
});

test("LMTP-005: where the commit fails, each recipient over LMTP hears it, and none is stored behind another's back", async () => {
  const world = new SimulatedWorld();
  world.wrapSpool = failingCommits([new SpoolError("failed", "broken")]);
  await world.start();
  const client = await world.client("lmtp");
  for (const beginning of ["451 4.3.0", "250 2.0.0"]) {
    await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
    for (const name of ["ann", "bob"]) await client.expect(`RCPT TO:<${name}@example.org>`, "250");
    await client.expect("DATA", "354");
    client.write("Subject: x\r\n\r\nx\r\n.\r\n");
    for (const reply of [await client.reply(), await client.reply()]) assert.ok(reply.startsWith(beginning), reply);
    await client.expect("NOOP", "250");
    await world.quiet();
    const delivered = beginning.startsWith("2") ? 1 : 0;
    for (const name of ["ann", "bob"]) assert.equal((await world.mailbox(`${name}@example.org`)).length, delivered);
  }
  await world[Symbol.asyncDispose]();
});

test("found by simulation: a queue command that the disk refuses changes nothing, says so, and is no fault of ours", async () => {
  const world = new SimulatedWorld();
  world.wrapSpool = (spool) =>
    Object.assign(spool, { hold: () => Promise.reject(new SpoolError("no-space", "no space left")) });
  await world.start();
  await world.peer("far.test", { greeting: "421 4.3.2 not now" });
  await world.accept("ann@example.org", "far@far.test");
  const { code, stderr } = await world.command("queue hold --all --yes --data-dir /data");
  assert.equal(code, 75);
  assert.match(stderr, /nothing was changed: the spool could not write \(no space left\)/);
  assert.equal(world.log.of("spool-failed").length, 1);
  await world[Symbol.asyncDispose]();
});

test("EXT-001: below the reserve of free space MAIL gets 452 4.3.1 until there is room again", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await client.expect("MAIL FROM:<joe@elsewhere.test> SIZE=1000", "250");
  await client.expect("RSET", "250");
  world.files.space = 50_000_000;
  await world.advance(2 * second);
  await client.expect("NOOP", "250");
  // The first one after a while may still be answered from memory.
  client.write("MAIL FROM:<joe@elsewhere.test>\r\nRSET\r\n");
  await client.reply();
  await client.reply();
  await world.quiet();
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "452 4.3.1");
  await client.expect("RCPT TO:<ann@example.org>", "503");
  world.files.space = Number.POSITIVE_INFINITY;
  await world.advance(2 * second);
  client.write("MAIL FROM:<joe@elsewhere.test>\r\nRSET\r\n");
  await client.reply();
  await client.reply();
  await world.quiet();
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
});

test("ESC-006: a mailbox on a full disk puts mail off, half a file is not left, and it is delivered later", async () => {
  await using world = await SimulatedWorld.start();
  world.files.space = 10;
  const id = await world.accept("joe@elsewhere.test", "ann@example.org");
  assert.deepEqual(await world.states(id), ["ann@example.org scheduled"]);
  assert.deepEqual(
    world.files.paths.filter((path) => path.startsWith("/data/mail/")),
    [],
  );
  world.files.space = Number.POSITIVE_INFINITY;
  await world.advance(hour);
  assert.deepEqual(await world.states(id), ["ann@example.org delivered"]);
  assert.equal((await world.mailbox("ann@example.org")).length, 1);
});

test("SMTP-018: a stop says 421 to idle sessions, lets content under way be finished, and takes no more", async () => {
  const world = await SimulatedWorld.start();
  const idle = await world.client();
  const inTransaction = await world.client();
  await inTransaction.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  const sending = await world.client();
  await sending.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await sending.expect("RCPT TO:<ann@example.org>", "250");
  await sending.expect("DATA", "354");
  sending.write("From: joe@elsewhere.test\r\nSubject: half\r\n\r\n");
  await world.quiet();

  const stopped = world.server.stop();
  assert.match(await idle.reply(), /^421 4\.3\.2 /);
  await idle.ended();
  assert.match(await inTransaction.reply(), /^421 4\.3\.2 /);
  await assert.rejects(world.client(), { code: "ECONNREFUSED" });
  sending.write("whole\r\n.\r\n");
  assert.match(await sending.reply(), /^250 2\.0\.0 /);
  assert.match(await sending.reply(), /^421 /);
  await world.clock.advance(31 * second);
  await stopped;
  assert.equal(world.log.of("message-accepted").length, 1, "what was answered 250, and nothing else");
  assert.equal(world.log.of("server-stopped").length, 1);
  assert.equal(world.clock.pendingTimers, 0);

  await world.start();
  await world.advance(minute);
  assert.equal((await world.mailbox("ann@example.org")).length, 1, "the next start delivers it if the stop did not");
  await world[Symbol.asyncDispose]();
});

test("a stop during a delivery gives the recipient back, and the next start delivers it, once", async () => {
  const world = await SimulatedWorld.start();
  let silent = true;
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" && silent ? "451 4.3.2 later" : undefined),
  });
  const ids = [
    await world.accept("ann@example.org", "one@elsewhere.test"),
    await world.accept("ann@example.org", ["two@elsewhere.test", "bob@example.org"]),
  ];
  await world.stop();
  silent = false;
  await world.start();
  await world.advance(hour);
  for (const id of ids) assert.ok((await world.states(id)).every((state) => /relayed|delivered/.test(state)));
  assert.deepEqual([...addresses(peer)].toSorted(), ["one@elsewhere.test", "two@elsewhere.test"]);
  assert.equal((await world.mailbox("bob@example.org")).length, 1);
  await world[Symbol.asyncDispose]();
});

test("SMTP-043: a client that says nothing for five minutes hears 421 4.4.2; one that speaks stays", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await world.clock.advance(5 * minute - second);
  await client.expect("NOOP", "250");
  await world.clock.advance(5 * minute - second);
  await client.expect("NOOP", "250");
  await world.clock.advance(5 * minute);
  assert.match(await client.reply(), /^421 4\.4\.2 /);
  await client.ended();
});

test("SMTP-019 SMTP-016: a client that leaves before the final dot, or quits, leaves nothing", async () => {
  await using world = await SimulatedWorld.start();
  const lost = await world.client();
  await lost.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await lost.expect("RCPT TO:<ann@example.org>", "250");
  await lost.expect("DATA", "354");
  lost.write("Subject: x\r\n\r\nnearly all\r\n");
  lost.connection.destroy();
  const quits = await world.client();
  await quits.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await quits.expect("RCPT TO:<ann@example.org>", "250");
  await quits.expect("QUIT", "221");
  await quits.ended();
  await world.advance(hour);
  assert.equal(world.log.of("message-accepted").length, 0);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
});

test("SMTP-044: nobody is greeted with 554: a client above the limits hears 421, so that it comes again", async () => {
  await using world = await SimulatedWorld.start({ limits: { client_connections: 1 } });
  const first = await world.client();
  const connection = await world.network.connect(
    { kind: "ip", address: "192.0.2.25", port: 25 },
    { localAddress: stranger },
  );
  const second = new Client(connection);
  assert.match(await second.reply(), /^421 4\.\d\.\d /);
  await second.ended();
  await first.expect("NOOP", "250");
  await (await world.client("mx", relayClient)).expect("NOOP", "250");
});

test("a reload whose certificate cannot be used changes nothing, not even what was right in it", async () => {
  await using world = new SimulatedWorld();
  const next = {
    user: [{ address: "new@example.org" }],
    relay: {},
    tls: { certificate: "/etc/absent.pem", key: "/etc/absent.key" },
  };
  await world.start({}, { reload: () => Promise.resolve(settingsOf(next)) });
  const result = await world.server.reload();
  assert.equal(result.ok, false);
  assert.match(result.ok ? "" : result.error, /certificate/);
  assert.equal(world.log.of("settings-refused").length, 1);
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<joe@origin.test>", "250");
  await client.expect("RCPT TO:<new@example.org>", "550 5.1.1");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await (await world.client("submission")).startTls();
});
