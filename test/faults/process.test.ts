/**
 * What the system or chance does to the process itself: no more file descriptors, no more memory, a thread of the spool
 * gone, a minute in which it does not run. What was answered 250 is there, and the process says why it ends.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { FaultyServer, run, skip } from "./support/faulty-server.ts";

/** Connects, and tells what the server says first: "" where it closes without a word. */
function greeting(port: number): { readonly socket: Socket; readonly said: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  const said = new Promise<string>((resolve) => {
    socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1")));
    socket.once("close", () => resolve(""));
    socket.once("error", () => resolve(""));
  });
  return { socket, said };
}

test(
  "few file descriptors: a crowd hears 421 in time, open sessions go on, and others get in when it has gone",
  { skip },
  async () => {
    await using server = await FaultyServer.start({ limit: "ulimit -n 160" });
    const told = await server.process.event("sessions-limited");
    assert.deepEqual([told["open_files"], told["sessions"]], [160, 20]);
    const early = await server.client();
    const { address } = await server.process.event("listener-opened");
    const port = Number(String(address).split(":").at(-1));
    const crowd: ReturnType<typeof greeting>[] = [];
    const said: string[] = [];
    // In groups: those who hear 421 hold a descriptor until they are gone, and all at once would take the last one.
    for (let group = 0; group < 6; group++) {
      const comers = Array.from({ length: 25 }, () => greeting(port));
      crowd.push(...comers);
      said.push(...(await Promise.all(comers.map((one) => one.said))));
    }
    assert.equal(said.filter((line) => line.startsWith("220 ")).length, 19);
    assert.equal(said.filter((line) => line.startsWith("421 4.3.2 ")).length, 131);
    assert.match(await server.offer(early, 2000), /^250/);
    assert.match(await server.offer(early, 400_000), /^250/);
    for (const { socket } of crowd) socket.destroy();
    await early.expect("NOOP", "250");
    const late = await server.client();
    assert.match(await server.offer(late, 400_000), /^250/);
    await server.assertNothingLost();
  },
);

test("no file descriptors left at all: large content hears 451, small content needs none", { skip }, async () => {
  await using server = await FaultyServer.start();
  const client = await server.client();
  assert.match(await server.offer(client, 400_000), /^250/);
  // As if everything else had been opened meanwhile.
  await run("prlimit", ["--pid", `${server.process.pid}`, "--nofile=20:"]);
  assert.match(await server.offer(client, 400_000), /^451 4\.3\.0/);
  assert.match(await server.offer(client, 2000), /^250/);
  await run("prlimit", ["--pid", `${server.process.pid}`, "--nofile=1024:"]);
  assert.match(await server.offer(client, 400_000), /^250/);
  await server.assertNothingLost();
});

for (const thread of ["spool-writer", "spool-reader", "spool-checkpointer"]) {
  test(
    `the thread ${thread} dies: the server says so and ends with 70, and the next one has everything`,
    { skip },
    async () => {
      await using server = await FaultyServer.start({ trouble: `end-thread ${thread}` });
      const client = await server.client();
      assert.match(await server.offer(client, 2000), /^250/);
      assert.match(await server.offer(client, 400_000), /^250/);
      server.process.signal("SIGUSR2");
      assert.equal(await server.process.ended(), 70);
      const told = await server.process.event("spool-thread-gone");
      assert.match(String(told["error"]), new RegExp(thread.slice("spool-".length)));
      await client.ended();
      await server.restart();
      assert.match(await server.offer(await server.client(), 2000), /^250/);
      await server.assertNothingLost();
    },
  );
}

test("a small heap carries large mail and much mail: neither is held in memory", { skip }, async () => {
  await using server = await FaultyServer.start({ nodeOptions: ["--max-old-space-size=48"] });
  const client = await server.client();
  assert.match(await server.offer(client, 40_000_000), /^250/);
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const one = await server.client();
      for (let count = 0; count < 20; count++) assert.match(await server.offer(one, 20_000), /^250/);
    }),
  );
  await server.assertNothingLost();
});

test("a full heap: the process says so and ends, and what it answered 250 is there", { skip }, async () => {
  await using server = await FaultyServer.start({ nodeOptions: ["--max-old-space-size=64"], trouble: "fill-heap" });
  const client = await server.client();
  assert.match(await server.offer(client, 2000), /^250/);
  assert.match(await server.offer(client, 400_000), /^250/);
  server.process.signal("SIGUSR2");
  assert.equal(await server.process.ended(), "SIGABRT");
  assert.match(server.process.errors, /heap out of memory/);
  await server.assertNothingLost();
});

test(
  "a process that was stopped for a while goes on where it was, with the sessions that it had",
  { skip },
  async () => {
    await using server = await FaultyServer.start();
    const idle = await server.client();
    const busy = await server.client();
    await busy.expect("MAIL FROM:<ann@sender.test>", "250");
    server.process.signal("SIGSTOP");
    busy.write("RCPT TO:<far@away.test>\r\n");
    // The system accepts for it meanwhile.
    const { address } = await server.process.event("listener-opened");
    const newcomer = greeting(Number(String(address).split(":").at(-1)));
    await new Promise((resolve) => newcomer.socket.once("connect", resolve));
    server.process.signal("SIGCONT");
    assert.match(await busy.reply(), /^250/);
    await busy.expect("RSET", "250");
    assert.match(await newcomer.said, /^220/);
    assert.match(await server.offer(idle, 2000), /^250/);
    newcomer.socket.destroy();
    await server.assertNothingLost();
  },
);
