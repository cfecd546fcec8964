import { test } from "node:test";
import assert from "node:assert/strict";
import { noteRead } from "./read-garbage.ts";

test("buffers of large reads that nobody keeps do not gather", async () => {
  const readBytes = 64 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  const grown = () => process.memoryUsage().arrayBuffers - before;
  let most = 0;
  for (let read = 0; read < 2000; read++) {
    Buffer.allocUnsafeSlow(readBytes).fill(1);
    noteRead(readBytes);
    // What was collected is freed in a thread of the engine's.
    if (read % 100 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    most = Math.max(most, grown());
  }
  assert.ok(most < 32 * 1024 * 1024, `${most} octets of 131 million lay about`);
});
