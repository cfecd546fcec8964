/** Faults of the server while it conducts a session: they cost this session, and no other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Admission } from "../policy/admission.ts";
import type { Spool } from "../spool/spool.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";

/** Throws once, when the first client has introduced itself. */
function failingOnce(admission: Admission): Admission {
  let failed = false;
  return {
    serve: (holder) => admission.serve(holder),
    enter: (newcomer) => admission.enter(newcomer),
    note: (connection, progress) => {
      if (progress === "spoke" && !failed) {
        failed = true;
        throw new Error("planted");
      }
      admission.note(connection, progress);
    },
    roomFor: (octets) => admission.roomFor(octets),
    countMessage: (client) => admission.countMessage(client),
    countRecipient: (login, recipient) => admission.countRecipient(login, recipient),
    refusalOfBan: (client) => admission.refusalOfBan(client),
    noteConduct: (client, conduct) => admission.noteConduct(client, conduct),
    claimTerms: (domains) => admission.claimTerms(domains),
  };
}

/** The spool, whose commits wait. */
function committingAfter(wait: Promise<void>): (spool: Spool) => Pick<Spool, "begin"> {
  return (spool) => ({
    begin: () => {
      const writer = spool.begin();
      return {
        get size() {
          return writer.size;
        },
        append: (bytes) => writer.append(bytes),
        commit: async (message, options) => {
          await wait;
          return await writer.commit(message, options);
        },
        abort: () => writer.abort(),
        [Symbol.asyncDispose]: () => writer.abort(),
      };
    },
  });
}

function faults(server: ReceivingServer): readonly unknown[] {
  return server.log.of("internal-error").map(({ where, error }) => [where, String(error)]);
}

test("a fault while a command is worked off ends this session alone", async () => {
  await using server = await ReceivingServer.open({ admission: failingOnce });
  const other = await server.dial("mx");
  const client = await server.dial("mx");
  assert.match(await client.reply(), /^220 /);
  client.send("EHLO client.test\r\n");
  assert.equal(await client.ended(), true);
  assert.deepEqual(faults(server), [["conducting a session", "Error: planted"]]);
  assert.equal(server.log.of("session-closed")[0]?.["cause"], "lost");
  assert.match(await other.reply(), /^220 /);
  await other.expect("EHLO other.test", "250");
});

test("a fault while an accepted message is handed over costs the client neither its 250 nor its session", async () => {
  await using server = await ReceivingServer.open();
  server.accepted.push = () => {
    throw new Error("planted");
  };
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  await client.expect("NOOP", "250");
  assert.deepEqual(faults(server), [["noting what became of an accepted message", "Error: planted"]]);
  await server.onlyMessage();
});

test("a fault while a message is handed over whose client is gone ends nothing else", async () => {
  const commit = Promise.withResolvers<void>();
  await using server = await ReceivingServer.open({ spool: committingAfter(commit.promise) });
  server.accepted.push = () => {
    throw new Error("planted");
  };
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
  await settle();
  client.connection.destroy();
  await settle();
  // A rejection that nobody awaits would end the process, and fails this test.
  commit.resolve();
  await settle();
  assert.deepEqual(faults(server), [["noting what became of an accepted message", "Error: planted"]]);
  await server.onlyMessage();
  await server.client("mx");
});

test("thousands of commands in one read leave other sessions their turn, whether the core answers them or the session", async () => {
  await using server = await ReceivingServer.open();
  const commands = 5_000;
  for (const flood of ["BDAT 0\r\n", "RSET\r\n"]) {
    const client = await server.client("mx");
    await client.envelope("<a@b.test>", "<ann@example.org>");
    client.send(flood.repeat(commands));
    const answered = async () => (await client.unread()).split("\r\n").length - 1;
    const atFirst = await answered();
    assert.ok(atFirst > 0 && atFirst < 1_000, `${flood.trim()}: ${atFirst} commands in one turn`);
    const other = await server.client("mx");
    await other.expect("NOOP", "250");
    // Each turn of others takes a millisecond here.
    for (let turn = 0; turn < 60; turn++) await server.clock.advance(1);
    assert.ok((await answered()) >= commands || (await client.ended()), `${flood.trim()} goes on afterwards`);
    client.connection.destroy();
  }
});
