/** Connections that are kept or about to end: so many and no more, whatever the peers do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { decided } from "../testing/hop-hosts.ts";
import { ConnectionReuse, type HostDemand, type OpenSession } from "./connection-reuse.ts";

const demands: readonly HostDemand[] = [{ host: "mx.test", demand: "opportunistic" }];

/** Peers that never answer QUIT; tells how many were asked and how many were closed. */
function peers() {
  const counts = { quit: 0, destroyed: 0 };
  const session = (): OpenSession => ({
    host: "mx.test",
    tls: decided("mx.test"),
    address: "192.0.2.1",
    connection: {
      usable: true,
      mayQuit: true,
      quit: () => {
        counts.quit++;
        return new Promise<void>(() => {});
      },
      destroy: () => counts.destroyed++,
    } as unknown as OpenSession["connection"],
  });
  return { counts, session };
}

test("no more than 500 connections wait for the answer to QUIT; others are closed at once", () => {
  const { counts, session } = peers();
  const reuse = new ConnectionReuse(new ManualClock());
  for (let count = 0; count < 800; count++) reuse.quit(session());
  assert.deepEqual(counts, { quit: 500, destroyed: 300 });
});

test("no more than 500 idle connections are kept; others end at once", () => {
  const { counts, session } = peers();
  const reuse = new ConnectionReuse(new ManualClock());
  for (let count = 0; count < 800; count++) reuse.park(`site ${count}`, session(), 1000);
  assert.deepEqual(counts, { quit: 300, destroyed: 0 });
});

test("room at an address is made by the oldest idle connections to it, whichever site they are kept for", async () => {
  const { counts, session } = peers();
  const clock = new ManualClock();
  const reuse = new ConnectionReuse(clock);
  const at = (address: string) => ({ ...session(), address });
  const newest = at("192.0.2.1");
  reuse.park("a", at("192.0.2.1"), 5_000);
  reuse.park("b", at("192.0.2.2"), 5_000);
  await clock.advance(10);
  reuse.park("a", newest, 5_000);
  await clock.advance(10);
  reuse.park("c", at("192.0.2.1"), 5_000);
  reuse.makeRoom("192.0.2.1", 3);
  assert.equal(counts.quit, 0);
  reuse.makeRoom("192.0.2.1", 2);
  assert.equal(counts.quit, 1);
  assert.equal(
    reuse.take("a", demands, () => true),
    newest,
    "the oldest has ended",
  );
  reuse.makeRoom("192.0.2.1", 0);
  assert.equal(counts.quit, 2);
  assert.equal(
    reuse.take("c", demands, () => true),
    undefined,
  );
  assert.notEqual(
    reuse.take("b", demands, () => true),
    undefined,
    "another address",
  );
});

test("where no kept connection suits, the oldest ends: the caller opens another in its place", () => {
  const { counts, session } = peers();
  const reuse = new ConnectionReuse(new ManualClock());
  reuse.park("site", session(), 1000);
  reuse.park("site", session(), 1000);
  assert.equal(
    reuse.take("site", demands, () => false),
    undefined,
  );
  assert.deepEqual(counts, { quit: 1, destroyed: 0 });
  assert.notEqual(
    reuse.take("site", demands, () => true),
    undefined,
  );
  assert.equal(
    reuse.take("site", demands, () => true),
    undefined,
  );
});
