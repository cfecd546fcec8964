import assert from "node:assert/strict";
import { test } from "node:test";
import { demandKey, type TlsDemand } from "./tls-demand.ts";

const record = (digest: string, usage = 3) => ({
  usage,
  selector: 1,
  matching: 1,
  data: Uint8Array.from(Buffer.from(digest)),
});

test("each demand has a key of its own", () => {
  const demands: readonly TlsDemand[] = [
    { kind: "none" },
    { kind: "opportunistic" },
    { kind: "required" },
    { kind: "pki", names: ["mx.example.org"] },
    { kind: "pki", names: ["mx.example.net"] },
    { kind: "pki", names: ["mx.example.org", "example.org"] },
    { kind: "pki", names: [] },
    { kind: "dane", records: [record("a")], names: ["mx.example.org"] },
    { kind: "dane", records: [record("a", 2)], names: ["mx.example.org"] },
    { kind: "dane", records: [record("b")], names: ["mx.example.org"] },
    { kind: "dane", records: [record("a"), record("b")], names: ["mx.example.org"] },
    { kind: "dane", records: [record("a")], names: ["mx.example.org", "example.org"] },
    { kind: "dane", records: [], names: ["mx.example.org"] },
  ];
  assert.equal(new Set(demands.map(demandKey)).size, demands.length);
});

test("the order of names and records makes no difference, and the key stays short", () => {
  const dane = (digests: readonly string[], names: readonly string[]) =>
    demandKey({ kind: "dane", records: digests.map((text) => record(text)), names });
  assert.equal(dane(["a", "b"], ["x.test", "y.test"]), dane(["b", "a"], ["y.test", "x.test"]));
  assert.equal(demandKey({ kind: "pki", names: ["a", "b"] }), demandKey({ kind: "pki", names: ["b", "a"] }));
  assert.ok(dane(["long".repeat(10_000)], ["x.test"]).length < 120);
});
