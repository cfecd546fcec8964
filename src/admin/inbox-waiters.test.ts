import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { Inbox } from "./inbox.ts";

test("no more than 1,000 requests wait for mail; when they end, others may", async () => {
  const clock = new ManualClock();
  const inbox = new Inbox(
    { spool: new MemorySpool({ clock }), files: new MemoryFiles(), clock },
    { folder: "/captured" },
  );
  const anything = { filter: {}, count: 1, timeoutMs: 1000 };
  const waiting = Array.from({ length: 1000 }, () => inbox.wait(anything));
  assert.deepEqual(await inbox.wait(anything), { kind: "busy" });
  await clock.advance(1000);
  await Promise.all(waiting);
  const last = inbox.wait(anything);
  await clock.advance(1000);
  assert.equal((await last).kind, "timed-out");
});
