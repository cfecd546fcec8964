/** Every state of a key with everything that DNS may say of it: the table of docs/dkim.md, executed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  afterOthersActivation,
  afterRemoval,
  afterSighting,
  afterTime,
  checkDelayMs,
  type KeyState,
  type LifecycleTerms,
  maySign,
  type Sighting,
  type StateName,
  silenceMsMax,
} from "./key-lifecycle.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const now = Date.UTC(2026, 0, 10);
const terms: LifecycleTerms = { requirePublished: true, keepPublishedMs: 7 * day };

const seen: Sighting = { kind: "seen", ttlSeconds: 600 };
const absent: Sighting = { kind: "absent", detail: "gone" };
const different: Sighting = { kind: "different", detail: "other" };
const unknown: Sighting = { kind: "unknown", detail: "SERVFAIL" };

const states = {
  prepared: { kind: "prepared", since: now - hour },
  published: { kind: "published", since: now - hour, activateAt: now },
  "published, margin not over": { kind: "published", since: now - minute, activateAt: now + minute },
  active: { kind: "active", since: now - day, seenAt: now - hour },
  "active, last seen long ago": { kind: "active", since: now - day, seenAt: now - silenceMsMax },
  vanished: { kind: "vanished", since: now - hour, activeSince: now - day },
  retiring: { kind: "retiring", since: now - day, retireAt: now + day, seenAt: now - hour },
  retired: { kind: "retired", since: now - day },
} as const satisfies Record<string, KeyState>;

/** From, what DNS says, to. */
const table: readonly (readonly [keyof typeof states, Sighting, StateName])[] = [
  ["prepared", seen, "published"],
  ["prepared", absent, "prepared"],
  ["prepared", different, "prepared"],
  ["prepared", unknown, "prepared"],
  ["published", seen, "active"],
  ["published, margin not over", seen, "published"],
  ["published", absent, "prepared"],
  ["published", different, "prepared"],
  ["published", unknown, "published"],
  ["active", seen, "active"],
  ["active", absent, "vanished"],
  ["active", different, "vanished"],
  ["active", unknown, "active"],
  ["active, last seen long ago", unknown, "vanished"],
  ["vanished", seen, "active"],
  ["vanished", absent, "vanished"],
  ["vanished", different, "vanished"],
  ["vanished", unknown, "vanished"],
  ["retiring", seen, "retiring"],
  ["retiring", absent, "retiring"],
  ["retiring", different, "retiring"],
  ["retiring", unknown, "retiring"],
  ["retired", seen, "retired"],
  ["retired", absent, "retired"],
  ["retired", different, "retired"],
  ["retired", unknown, "retired"],
];

for (const [from, sighting, to] of table) {
  test(`${from}, and DNS says ${sighting.kind}: ${to}`, () => {
    assert.equal(afterSighting(states[from], sighting, now, terms).kind, to);
  });
}

test("the table of docs/dkim.md is this one", () => {
  const text = readFileSync(join(import.meta.dirname, "..", "..", "docs", "dkim.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  assert.deepEqual(
    rows,
    table.map(([from, { kind }, to]) => [from, kind, to]),
  );
});

test("a new key waits as long as its zone's other servers may lag, at least a minute and at most an hour", () => {
  for (const [ttlSeconds, marginMs] of [
    [0, minute],
    [600, 10 * minute],
    [86_400, hour],
  ] as const) {
    const state = afterSighting(states.prepared, { kind: "seen", ttlSeconds }, now, terms);
    assert.ok(state.kind === "published");
    assert.equal(state.activateAt, now + marginMs);
  }
});

test("a key that becomes active makes those before it retiring; their records stay for mail in queues", () => {
  const retireAt = now + terms.keepPublishedMs;
  assert.deepEqual(afterOthersActivation(states.active, now, terms), {
    kind: "retiring",
    since: now,
    retireAt,
    seenAt: states.active.seenAt,
  });
  assert.deepEqual(afterOthersActivation(states.vanished, now, terms), { kind: "retiring", since: now, retireAt });
  assert.deepEqual(afterOthersActivation(states.retiring, now, terms), { ...states.retiring, retireAt });
  for (const name of ["prepared", "published", "retired"] as const) {
    assert.equal(afterOthersActivation(states[name], now, terms), states[name]);
  }
});

test("a removed key that may have signed keeps its record for mail in queues; one that did not needs none", () => {
  const removed = { kind: "retiring", since: now, retireAt: now + terms.keepPublishedMs } as const;
  for (const name of ["prepared", "published", "retired"] as const) {
    assert.equal(afterRemoval(states[name], now, terms), undefined, name);
  }
  for (const name of ["active", "vanished"] as const) assert.deepEqual(afterRemoval(states[name], now, terms), removed);
  assert.deepEqual(afterRemoval(states.retiring, now, terms), { ...removed, since: states.retiring.since });
  const { seenAt: _, ...unseen } = states.retiring;
  assert.equal(afterRemoval(unseen, now, terms), unseen, "it signs nothing any more");
});

test("a retiring key is retired when its time is over, and only while another one signs", () => {
  const over = now + day;
  assert.equal(afterTime(states.retiring, over - 1, { replaced: true }).kind, "retiring");
  assert.equal(afterTime(states.retiring, over, { replaced: false }).kind, "retiring");
  assert.deepEqual(afterTime(states.retiring, over, { replaced: true }), { kind: "retired", since: over });
  assert.equal(afterTime(states.active, over, { replaced: true }), states.active);
});

test("only keys that DNS has shown within six hours may sign", () => {
  const may = (state: KeyState, at = now) => maySign(state, at, terms);
  assert.ok(may(states.active));
  assert.ok(may(states.retiring));
  assert.ok(!may(states["active, last seen long ago"]));
  assert.ok(!may(afterSighting(states.retiring, absent, now, terms)));
  for (const name of ["prepared", "published", "vanished", "retired"] as const) assert.ok(!may(states[name]), name);
});

test("told so, keys sign at once and whatever DNS says", () => {
  const free = { ...terms, requirePublished: false };
  for (const name of ["prepared", "published", "active", "vanished"] as const) {
    for (const sighting of [seen, absent, different, unknown]) {
      const state = afterSighting(states[name], sighting, now, free);
      assert.equal(state.kind, "active");
      assert.ok(maySign(state, now + 30 * day, free));
    }
  }
  assert.equal(afterSighting(states.retiring, absent, now, free).kind, "retiring");
});

test("what is waited for is looked up each minute at first, then up to every ten; what stands, hourly", () => {
  const delayAfter = (ms: number) => checkDelayMs({ kind: "prepared", since: now - ms }, absent, now);
  assert.deepEqual([0, 10 * minute, 30 * minute, day].map(delayAfter), [minute, minute, 3 * minute, 10 * minute]);
  assert.equal(checkDelayMs(states["published, margin not over"], seen, now), minute);
  assert.equal(checkDelayMs(states.active, seen, now), hour);
  assert.equal(checkDelayMs(states.active, unknown, now), 5 * minute);
  assert.equal(checkDelayMs(states.retired, seen, now), hour);
});

test("whatever DNS says in whatever order, nothing signs that it did not show, and only what it showed twice begins to", () => {
  const step = fc.tuple(fc.constantFrom(seen, absent, different, unknown), fc.integer({ min: 1, max: 3 * hour }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let state: KeyState = { kind: "prepared", since: now };
      let at = now;
      let lastSeen = Number.NEGATIVE_INFINITY;
      let sightings = 0;
      for (const [sighting, ms] of steps) {
        at += ms;
        if (maySign(state, at, terms)) assert.ok(at - lastSeen < silenceMsMax);
        if (sighting.kind === "seen") {
          lastSeen = at;
          sightings++;
        }
        state = afterSighting(state, sighting, at, terms);
        if (state.kind === "active") assert.ok(sightings >= 2);
        if (sighting.kind === "absent" || sighting.kind === "different") assert.ok(!maySign(state, at, terms));
        assert.ok(checkDelayMs(state, sighting, at) >= minute);
      }
    }),
  );
});
