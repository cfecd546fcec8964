/** What goes into the next batch, counted: commits overtake, and other work comes in slices. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type GatheredOperation, GatheredOperations } from "./gathered-operations.ts";
import type { ChangeRow, Operation } from "./protocol.ts";

const nothing: readonly Uint8Array[] = [];
const terms = { leaseMs: 1, retryDelaysMs: [1], perDomainMax: 1, excludeDomains: [] };

function commit(octets = 10): GatheredOperation {
  const message = { id: "x", receivedAt: 0, reversePath: "", sender: "<>", json: "", captured: null, recipients: [] };
  const operation = { kind: "commit", now: 0, events: [], records: [], claim: undefined } as const;
  return {
    operation: { ...operation, message: { ...message, size: octets, inFile: false } },
    contents: [new Uint8Array(octets)],
  };
}

function settle(recipients = 1, octets = 0): GatheredOperation {
  const changes = Array.from({ length: recipients }, (_, index): ChangeRow => [index, 0, 0, "", null, 0, 0]);
  const rest = { reports: [], events: [], records: [], captured: [] };
  return {
    operation: { kind: "settle", now: 0, message: "x", token: 1, changes, ...rest },
    contents: octets === 0 ? nothing : [new Uint8Array(octets)],
  };
}

const one = (operation: Operation): GatheredOperation => ({ operation, contents: nothing });
const claim = (limit: number) => one({ kind: "claim", now: 0, limit, ...terms });

function gather(...parts: readonly (readonly GatheredOperation[])[]): GatheredOperations<GatheredOperation> {
  const gathered = new GatheredOperations();
  for (const part of parts) for (const operation of part) gathered.add(operation);
  return gathered;
}

const times = (count: number, make: () => GatheredOperation) => Array.from({ length: count }, () => make());
const kinds = (batch: readonly GatheredOperation[]) => batch.map(({ operation }) => operation.kind);
const count = (batch: readonly GatheredOperation[], kind: string) => kinds(batch).filter((one) => one === kind).length;

test("a commit overtakes everything else that waits, and its batch has one slice of that", () => {
  const gathered = gather([claim(100)], times(1000, settle), [commit(), commit()]);
  assert.equal(gathered.commits, 2);
  assert.deepEqual(kinds(gathered.takeBatch()), [
    ...["commit", "commit", "claim"],
    ...Array.from({ length: 28 }, () => "settle"),
  ]);
  assert.equal(gathered.commits, 0);
});

test("a slice has 128 rows at most, whatever they belong to, and the next batch goes on", () => {
  const gathered = gather(times(300, settle));
  assert.deepEqual(
    [1, 2, 3, 4].map(() => gathered.takeBatch().length),
    [128, 128, 44, 0],
  );
  assert.equal(gathered.isEmpty, true);
  const large = gather(times(3, () => settle(60)));
  assert.deepEqual(
    [1, 2, 3].map(() => large.takeBatch().length),
    [2, 1, 0],
  );
});

test("an operation above the size of a slice is a slice by itself, in its turn", () => {
  const work: readonly GatheredOperation[] = [
    one({ kind: "prune", before: 0, limit: 500 }),
    one({ kind: "shrink" }),
    one({ kind: "next-due", excludeDomains: [] }),
    claim(500),
    one({
      kind: "warn",
      now: 0,
      message: "x",
      recipients: Array.from({ length: 200 }, (_, at) => at),
      reports: [],
      events: [],
    }),
    settle(200),
  ];
  const gathered = gather(work.flatMap((heavy) => [heavy, settle()]));
  const batches: (readonly string[])[] = [];
  while (!gathered.isEmpty) batches.push(kinds(gathered.takeBatch()));
  assert.deepEqual(batches, [
    ["prune"],
    ["settle"],
    ["shrink"],
    ["settle"],
    ["next-due"],
    ["settle"],
    ["claim"],
    ["settle"],
    ["warn"],
    ["settle"],
    ["settle"],
    ["settle"],
  ]);
});

test("however many commits come, each batch takes a slice of the other work along", () => {
  const gathered = gather(times(200, settle));
  for (let round = 0; round < 2; round++) for (const fresh of times(600, commit)) gathered.add(fresh);
  const batches = [1, 2, 3].map(() => gathered.takeBatch());
  assert.deepEqual(
    batches.map((batch) => [count(batch, "commit"), count(batch, "settle")]),
    [
      [512, 128],
      [512, 72],
      [176, 0],
    ],
  );
});

test("contents end a batch at 8 MiB, but one that is larger goes", () => {
  const mebibyte = 1024 * 1024;
  const gathered = gather(
    times(10, () => commit(mebibyte)),
    [settle(1, 9 * mebibyte), settle(1, 1)],
  );
  assert.deepEqual(
    [1, 2, 3].map(() => kinds(gathered.takeBatch()).join(" ")),
    ["commit commit commit commit commit commit commit commit settle", "commit commit settle", ""],
  );
});

test("what waits can be taken as a whole", () => {
  const gathered = gather([settle(), commit(), settle()]);
  assert.deepEqual(kinds(gathered.takeAll()), ["commit", "settle", "settle"]);
  assert.equal(gathered.isEmpty, true);
  assert.deepEqual(gathered.takeAll(), []);
});
