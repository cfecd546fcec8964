/**
 * Disks that fill, run out of names, or turn read-only under a real server: what a client hears, that the server goes
 * on, that it recovers when the disk does, and that nothing it answered 250 is lost. Each disk is a small one of its own.
 */
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { away, FaultyServer, run, skip } from "./support/faulty-server.ts";

const fullReply = "452 4.3.1";

function incoming(server: FaultyServer): readonly string[] {
  return readdirSync(server.inside(join(server.folder.dataDir, "content", "incoming")));
}

test("a full disk: 452 4.3.1 until there is room, then mail is taken again in the same session", { skip }, async () => {
  await using server = await FaultyServer.start({ tmpfs: "size=3m" });
  const client = await server.client();
  assert.match(await server.fill(client, 60_000), new RegExp(`^${fullReply}`));
  assert.match(await server.offer(client, 60_000), new RegExp(`^${fullReply}`));
  const failed = await server.process.event("spool-failed");
  assert.equal(failed["code"], "no-space");
  await server.beside("mount", "-o", "remount,size=32m", server.folder.dataDir);
  assert.match(await server.offer(client, 60_000), /^250/);
  await client.expect("QUIT", "221");
  await server.assertNothingLost();
});

test("no room in the middle of large content: read to its end, 452 4.3.1, and its file is gone", { skip }, async () => {
  await using server = await FaultyServer.start({ tmpfs: "size=6m" });
  const client = await server.client();
  assert.match(await server.offer(client, 1000), /^250/);
  assert.match(await server.offer(client, 12_000_000), new RegExp(`^${fullReply}`));
  assert.deepEqual(incoming(server), []);
  // What it took is free again: what fits is taken, in the same session.
  assert.match(await server.offer(client, 1_000_000), /^250/);
  await server.assertNothingLost();
});

test(
  "no inodes left: large content hears 452 4.3.1, small content needs none, and both go when there are some",
  { skip },
  async () => {
    await using server = await FaultyServer.start({
      tmpfs: "size=64m,nr_inodes=60",
      configuration: `${away}\n[queue]\nretry = ["1s"]`,
    });
    const client = await server.client();
    const filler = (number: number) => server.inside(join(server.folder.dataDir, `filler-${number}`));
    let fillers = 0;
    assert.throws(() => {
      for (; fillers < 1000; fillers++) closeSync(openSync(filler(fillers), "wx"));
    }, /ENOSPC/);
    assert.match(await server.offer(client, 400_000), new RegExp(`^${fullReply}`));
    assert.match(await server.offer(client, 2000), /^250/);
    // A mailbox needs a name for each message: it waits in the queue, and is no failure.
    assert.match(await server.offer(client, 2000, "ann@example.org"), /^250/);
    const deferred = await server.process.event("recipient-deferred");
    assert.ok(deferred);
    for (let number = 0; number < fillers; number++) rmSync(filler(number), { force: true });
    assert.match(await server.offer(client, 400_000), /^250/);
    await server.process.event("recipient-delivered");
    await client.expect("QUIT", "221");
  },
);

test(
  "a disk that the kernel turned read-only: 451 4.3.0; after a restart on the mended disk all is there",
  { skip },
  async () => {
    await using server = await FaultyServer.start();
    await server.process.kill("SIGTERM");
    const image = join(server.folder.path, "image");
    writeFileSync(image, "");
    await run("truncate", ["-s", "64M", image]);
    await run("mkfs.ext4", ["-q", "-F", image]);
    const mounted = { mount: `mount -o loop,errors=remount-ro ${image} ${server.folder.dataDir}` };
    await server.restart(mounted);
    const client = await server.client();
    assert.match(await server.offer(client, 2000), /^250/);
    assert.match(await server.offer(client, 400_000), /^250/);
    // As an error that the file system found would: what is open stays open, and takes nothing any more.
    await server.beside("mount", "-o", "remount,abort", server.folder.dataDir);
    assert.match(await server.offer(client, 2000), /^451 4\.3\.0/);
    assert.match(await server.offer(client, 400_000), /^451 4\.3\.0/);
    await server.process.event("spool-failed");
    await server.process.kill("SIGKILL");
    await server.restart(mounted);
    assert.match(await server.offer(await server.client(), 2000), /^250/);
    await server.assertNothingLost();
  },
);

test(
  "a limit on the size of files, as a quota sets one: refused for now, nothing lost, and mended by a restart without it",
  { skip },
  async () => {
    // In blocks of 512 octets.
    await using server = await FaultyServer.start({ limit: "ulimit -f 1500" });
    const client = await server.client();
    assert.match(await server.fill(client, 60_000), /^45[12] 4\.3\.[01]/);
    assert.match(await server.offer(client, 1_500_000), /^452 4\.3\.1/);
    await server.restart({});
    assert.match(await server.offer(await server.client(), 60_000), /^250/);
    await server.assertNothingLost();
    assert.ok(!existsSync(join(server.folder.dataDir, "content", "incoming", "1-1")));
  },
);

test(
  "fsync fails now and then: 451 4.3.0 for what it was to make durable, which never comes back",
  { skip },
  async () => {
    // Counted for each thread: the start of a server has fewer than twenty in any of them.
    const failing = "inject=fsync,fdatasync:error=EIO:when=40+4";
    const tracer = [
      "strace",
      "-D",
      "-f",
      "--seccomp-bpf",
      "-o",
      "/dev/null",
      "-e",
      "trace=fsync,fdatasync",
      "-e",
      failing,
    ];
    await using server = await FaultyServer.start({ tracer });
    const client = await server.client();
    let refused = 0;
    for (let count = 0; count < 80; count++) {
      const reply = await server.offer(client, count % 8 === 0 ? 400_000 : 2000);
      if (reply.startsWith("250")) continue;
      assert.match(reply, /^451 4\.3\.0/);
      refused++;
    }
    assert.ok(refused > 5 && server.accepted.size > 30, `${refused} refused, ${server.accepted.size} accepted`);
    await server.process.event("spool-failed");
    await server.assertNothingLost();
  },
);
