import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { NodeMeasures } from "./node-measures.ts";

test("memory, heap, event loop and inodes are measured, each within its limit", async () => {
  const measures = new NodeMeasures();
  const { resident, residentMax, heap, heapMax } = measures.memory();
  assert.ok(resident > heap && heap > 0, `${resident}, ${heap}`);
  assert.ok(resident < residentMax && heap < heapMax, `${residentMax}, ${heapMax}`);
  assert.ok(measures.eventLoopDelayMs() >= 0);
  assert.ok((await measures.freeInodes(tmpdir())) > 0);
  await assert.rejects(measures.freeInodes("/no/such/folder"));
});

test("a loop that stands still is late, and that is forgotten once it was asked", async () => {
  const measures = new NodeMeasures();
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 120));
  await turn();
  const until = performance.now() + 600;
  while (performance.now() < until);
  await turn();
  assert.ok(measures.eventLoopDelayMs() > 0);
});
