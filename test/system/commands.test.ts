/** What operators do with a running server: look, hold, release, retry, remove, explain; by command, over the socket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addresses, hour, minute, SimulatedWorld } from "./support.ts";

const server = ["--data-dir", "/data"];

async function json(world: SimulatedWorld, ...line: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await world.command([...line, "--json", ...server]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("explain tells of two attempts, what each was answered, and what comes next", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "451 4.7.1 greylisted, come again" : undefined),
  });
  const id = await world.accept("ann@example.org", "far@elsewhere.test", "Subject: invoice 7\r\n\r\nx");
  await world.advance(7 * minute);
  assert.equal(peer.verbs.filter((verb) => verb === "RCPT").length, 2);
  const { code, stdout } = await world.command(["explain", id, ...server]);
  assert.equal(code, 0);
  assert.match(stdout, /invoice 7/);
  assert.equal(stdout.match(/greylisted, come again/g)?.length, 3, "each attempt, and why it waits");
  assert.match(stdout, /mx\.elsewhere\.test/);
  const explanation = (await json(world, "explain", id)) as {
    readonly recipients: readonly Record<string, unknown>[];
    readonly timeline: readonly { readonly at: string }[];
  };
  const [recipient] = explanation.recipients;
  assert.equal(recipient?.["attempts"], 2);
  assert.equal(recipient?.["state"], "scheduled");
  assert.ok(new Date(String(recipient?.["next_attempt_at"])).getTime() > world.clock.now());
  const times = explanation.timeline.map(({ at }) => at);
  assert.deepEqual(times, times.toSorted());

  peer.script = {};
  await world.advance(hour);
  assert.match((await world.command(["explain", id, ...server])).stdout, /relayed|handed over|accepted/);
  assert.equal((await world.command(["explain", "ZZZZZZZZZZZZ", ...server])).code, 65);
});

test("hold keeps a recipient from being tried, release lets it go on", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "451 4.3.0 later" : undefined),
  });
  const held = await world.accept("ann@example.org", "one@elsewhere.test");
  const free = await world.accept("ann@example.org", "two@elsewhere.test");
  assert.deepEqual(await json(world, "queue", "hold", held, "--reason", "wrong price", "--yes"), {
    count: 1,
    under_way: 0,
    changed: true,
  });
  peer.script = {};
  await world.advance(hour);
  assert.deepEqual(addresses(peer), ["two@elsewhere.test"]);
  assert.deepEqual(await world.states(free), ["two@elsewhere.test relayed"]);
  assert.deepEqual(await world.states(held), ["one@elsewhere.test held"]);
  assert.match((await world.command(["explain", held, ...server])).stdout, /wrong price/);
  assert.deepEqual(await json(world, "queue", "stats"), {
    scheduled: 0,
    claimed: 0,
    held: 1,
    oldest_seconds: (await world.stats()).oldestSeconds,
  });
  assert.deepEqual(await json(world, "queue", "release", held, "--yes"), { count: 1, under_way: 0, changed: true });
  await world.quiet();
  assert.deepEqual(await world.states(held), ["one@elsewhere.test relayed"]);
});

test("retry tries at once what would wait, and remove ends it without a report to anybody", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "451 4.3.0 later" : undefined),
  });
  const id = await world.accept("ann@example.org", ["one@elsewhere.test", "two@elsewhere.test"]);
  const attempts = () => peer.lines.filter((line) => line.startsWith("RCPT TO:<one@")).length;
  assert.equal(attempts(), 1);
  const dry = await world.command(["queue", "retry", "--to", "ONE@elsewhere.test", "--dry-run", ...server]);
  assert.match(dry.stderr, /1 recipient matches/);
  await world.quiet();
  assert.equal(attempts(), 1, "a dry run changes nothing");
  await json(world, "queue", "retry", "--to", "ONE@elsewhere.test", "--yes");
  await world.advance(0);
  assert.equal(attempts(), 2);

  assert.equal((await world.command(["queue", "remove", "--yes", ...server])).code, 64, "not without a filter");
  assert.deepEqual(await json(world, "queue", "remove", "--domain", "elsewhere.test", "--yes"), {
    count: 2,
    under_way: 0,
    changed: true,
  });
  await world.advance(6 * 24 * hour);
  assert.deepEqual(await world.states(id), ["one@elsewhere.test removed", "two@elsewhere.test removed"]);
  assert.equal(attempts(), 2);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
});

test("queue list and show tell what waits, for whom, since when and why", async () => {
  await using world = await SimulatedWorld.start();
  await using _peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "452 4.2.2 mailbox full" : undefined),
  });
  const id = await world.accept("ann@example.org", "far@elsewhere.test", "Subject: hi\r\n\r\nx");
  const list = await world.command(["queue", "list", ...server]);
  assert.match(list.stdout, new RegExp(id));
  assert.match(list.stdout, /far@elsewhere\.test/);
  const show = await world.command(["queue", "show", id, ...server]);
  assert.match(show.stdout, /452 4\.2\.2 mailbox full/);
});
