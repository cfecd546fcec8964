/**
 * What the captured mail promises a test: a 250 means listed, what is deleted stays away, one message is one entry, and
 * every id can be explained. The first tests have the real spool, where nothing is done in the same turn.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { controlRequest } from "../../src/node/http/http-control.ts";
import { RealServer } from "./real-server.ts";
import { relayClient, settingsOf, SimulatedWorld } from "./support.ts";

const captureAll = { route: [{ domain: "*", via: "capture" as const }] };
const content = "Subject: hello\r\n\r\ntext";
const large = `Subject: large\r\n\r\n${`${"x".repeat(76)}\r\n`.repeat(4000)}`;

interface Page {
  readonly messages: readonly { readonly id: string; readonly to: readonly string[]; readonly subject: string }[];
  readonly total: number;
}

async function ask(server: RealServer, path: string, method = "GET"): Promise<Page & { readonly deleted: number }> {
  const response = await controlRequest(`${server.dataDir}/control.sock`, `/api/v1/inbox${path}`, { method });
  assert.equal(response.status, 200);
  return (await response.json()) as Page & { readonly deleted: number };
}

test("a 250 means listed: fifty messages are in the list right after their replies, in rows and in files", async () => {
  await using server = await RealServer.start(captureAll);
  const client = await server.client();
  for (let number = 0; number < 50; number++) {
    const id = await client.send("a@b.test", "ann@c.test", number % 10 === 0 ? large : content);
    const { messages } = await ask(server, "?limit=1");
    assert.equal(messages[0]?.id, id);
    const whole = await ask(server, `/${id}`);
    assert.equal((whole as unknown as { id: string }).id, id, "and can be read");
  }
  await server.stop();
  await server.start(captureAll);
  assert.equal((await ask(server, "")).total, 50, "and over a restart");
});

test("what is deleted right after the 250 never comes back", async () => {
  await using server = await RealServer.start(captureAll);
  const client = await server.client();
  for (let number = 0; number < 30; number++) {
    const id = await client.send("a@b.test", `user${number}@c.test`, number % 10 === 0 ? large : content);
    assert.equal((await ask(server, `?to=user${number}@c.test`, "DELETE")).deleted, 1);
    assert.equal((await ask(server, "")).total, 0);
    // Its delivery is recorded: from here on nothing could bring it back.
    await server.event("recipient-delivered", number + 1);
    assert.equal((await ask(server, "")).total, 0, id);
  }
});

test("a message to a thousand recipients is one entry, and its id can be explained", async () => {
  await using world = await SimulatedWorld.start(captureAll);
  const to = Array.from({ length: 1000 }, (_, number) => `r${number}@c.test`);
  const id = await world.accept("a@b.test", to, content);
  const { messages, total } = JSON.parse((await world.command("inbox list --json --data-dir /data")).stdout) as Page;
  assert.equal(total, 1);
  assert.deepEqual([messages[0]?.id, messages[0]?.to], [id, to]);
  const explained = await world.command(`explain ${id} --data-dir /data`);
  assert.equal(explained.code, 0);
  assert.ok(explained.stdout.includes("r0@c.test: delivered"));
  await world.advance(60_000);
  assert.ok((await world.states(id)).every((state) => state.endsWith(" delivered")));
});

test("a report of ours that is captured is listed with an id that can be explained", async () => {
  await using world = await SimulatedWorld.start(captureAll);
  await world.accept("a@b.test", "<ann@c.test> NOTIFY=SUCCESS", content);
  await world.advance(1000);
  const { messages } = JSON.parse((await world.command("inbox list --json --data-dir /data")).stdout) as Page;
  assert.equal(messages.length, 2);
  assert.deepEqual(messages[0]?.to, ["a@b.test"]);
  assert.equal((await world.command(`explain ${messages[0]?.id ?? ""} --data-dir /data`)).code, 0);
});

test("what was queued before its route became capture is listed when it is captured", async () => {
  await using world = new SimulatedWorld();
  const relayed = { route: [{ domain: "c.test", via: "relay" as const, host: "198.51.100.99" }] };
  await world.start(relayed, { reload: () => Promise.resolve(settingsOf(captureAll)) });
  const id = await world.accept("a@b.test", ["ann@c.test", "bob@c.test"], content);
  assert.deepEqual(await world.server.reload(), { ok: true });
  await world.command(["queue", "retry", "--all", "--yes", "--data-dir", "/data"]);
  await world.advance(600_000);
  const { messages } = JSON.parse((await world.command("inbox list --json --data-dir /data")).stdout) as Page;
  assert.deepEqual(
    messages.map((message) => [message.id, message.to]),
    [[id, ["ann@c.test", "bob@c.test"]]],
  );
});

test("retention keeps as many messages as the setting says, and forgets the rest", async () => {
  await using world = await SimulatedWorld.start({ ...captureAll, inbox: { messages: 3, keep: "1h" } });
  const client = await world.client("mx", relayClient);
  const ids: string[] = [];
  for (const number of [1, 2, 3, 4, 5]) ids.push(await client.send("a@b.test", `u${number}@c.test`, content));
  await client.expect("QUIT", "221");
  await world.quiet();
  const list = async () =>
    (JSON.parse((await world.command("inbox list --json --data-dir /data")).stdout) as Page).messages.map(
      ({ id }) => id,
    );
  assert.deepEqual(await list(), ids.slice(2).toReversed());
  await world.advance(3_700_000);
  assert.deepEqual(await list(), []);
  assert.equal((await world.command(`explain ${ids[0] ?? ""} --data-dir /data`)).code, 0, "its history stays");
});
