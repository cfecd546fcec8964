/**
 * What one session holds at most, whatever its client does: counted in octets between the client and the spool, so that
 * the answer does not depend on when the engine collects garbage.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";
import type { MessageWriter, Spool } from "../spool/spool.ts";

const kibibyte = 1024;
/** What a socket gives at once. */
const chunkBytes = 64 * 1024;
const mebibyte = 1024 * kibibyte;
/** Two reads of input; nothing else in a session grows. */
const heldMax = 2 * chunkBytes;

/** Asks to wait after each piece until it is told to go on; counts what it was given. */
class SlowSpool {
  taken = 0;
  #go: (() => void)[] = [];

  wrap(spool: Spool): Pick<Spool, "begin"> {
    return { begin: () => this.#writer(spool.begin()) };
  }

  go(): void {
    for (const go of this.#go.splice(0)) go();
  }

  #writer(writer: MessageWriter): MessageWriter {
    return {
      append: (bytes) => {
        this.taken += bytes.length;
        void writer.append(bytes);
        return new Promise<void>((resolve) => this.#go.push(resolve));
      },
      get size() {
        return writer.size;
      },
      commit: (message, options) => writer.commit(message, options),
      abort: () => writer.abort(),
      [Symbol.asyncDispose]: () => writer.abort(),
    };
  }
}

for (const via of ["DATA", "BDAT"] as const) {
  test(`while the disk is slower than the client, a session reads no more than it can hand on (${via})`, async () => {
    const spool = new SlowSpool();
    await using server = await ReceivingServer.open({ chunkBytes, spool: (real) => spool.wrap(real) });
    const client = await server.client("mx");
    await client.envelope("<s@x.example>", "<ann@example.org>");
    const line = `${"0123456789abcdef".repeat(4)}\r\n`;
    const header = "Subject: large\r\n\r\n";
    const lines = Math.ceil((8 * mebibyte) / line.length);
    const content = header + line.repeat(lines);
    if (via === "DATA") await client.expect("DATA", "354");
    else client.send(`BDAT ${content.length} LAST\r\n`);
    client.send(content);
    if (via === "DATA") client.send(".\r\n");
    let most = 0;
    for (let turn = 0; turn < 1000 && client.connection.bufferedBytes > 0; turn++) {
      await settle();
      const read = content.length - client.connection.bufferedBytes;
      most = Math.max(most, read - spool.taken);
      spool.go();
    }
    assert.ok(most <= heldMax, `${most} octets were held`);
    for (let turn = 0; turn < 50; turn++) {
      spool.go();
      await settle();
    }
    assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued as /);
    assert.equal(spool.taken, content.length);
  });
}

test("while a commit is awaited, a client that sends on is not read without end", async () => {
  const committing = Promise.withResolvers<void>();
  await using server = await ReceivingServer.open({
    chunkBytes,
    spool: (spool) => ({
      begin: () => {
        const writer = spool.begin();
        return {
          append: (bytes) => writer.append(bytes),
          get size() {
            return writer.size;
          },
          commit: async (...given) => {
            await committing.promise;
            return await writer.commit(...given);
          },
          abort: () => writer.abort(),
          [Symbol.asyncDispose]: () => writer.abort(),
        };
      },
    }),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nx\r\n.\r\n");
  const commands = 500_000;
  client.send("NOOP\r\n".repeat(commands));
  for (let turn = 0; turn < 50; turn++) await settle();
  const read = 6 * commands - client.connection.bufferedBytes;
  assert.ok(read <= heldMax, `${read} octets were read`);
  committing.resolve();
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued as /);
});

test("a client that reads no replies makes a session hold two writes of them at most", async () => {
  await using server = await ReceivingServer.open({ chunkBytes });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  client.connection.pause();
  // Too many recipients are refused for now, which counts as nobody's error: the one thing to go on with for ever.
  const line = "RCPT TO:<ann@example.org>\r\n";
  const commands = 40_000;
  client.send(line.repeat(commands));
  for (let turn = 0; turn < 50; turn++) await settle();
  const left = client.connection.bufferedBytes;
  assert.ok(left > (line.length * commands) / 2, `only ${left} octets of commands were left unread`);
  const replies = server.network.connections.at(-1)?.unreadBytes ?? 0;
  assert.ok(replies > 0 && replies < 128 * kibibyte, `${replies} octets of replies wait`);
});
