import assert from "node:assert/strict";
import { test } from "node:test";
import { StateMachine, TransitionError, type TransitionRows, TransitionTable } from "./transition-table.ts";

type Parcel =
  | { readonly kind: "packed"; readonly weight: number }
  | { readonly kind: "sent"; readonly to: string }
  | { readonly kind: "lost" };

const events = { pack: "More is put in.", send: "It leaves.", lose: "Nobody finds it." } as const;

const rows = {
  packed: { pack: "packed", send: "sent", lose: "lost" },
  sent: { pack: "ignored", lose: "lost" },
  lost: { pack: "ignored", lose: "ignored" },
} as const satisfies TransitionRows<Parcel["kind"], keyof typeof events>;

const table = new TransitionTable({ initial: "packed", events, rows });

const machine = (changes: string[] = []) =>
  new StateMachine<Parcel, typeof rows>(table, { kind: "packed", weight: 1 }, (before, event, after) =>
    changes.push(`${before.kind} ${event} ${after.kind}`),
  );

test("every pair of state and event leads to a state, is ignored, or is a fault", () => {
  const states = ["packed", "sent", "lost"] as const;
  const found = states.map((state) =>
    (["pack", "send", "lose"] as const).map((event) => table.transition(state, event)),
  );
  assert.deepEqual(found, [
    ["packed", "sent", "lost"],
    ["ignored", "fault", "lost"],
    ["ignored", "fault", "ignored"],
  ]);
});

test("a state that no event leaves is final, also if it ignores some", () => {
  assert.deepEqual(
    (["packed", "sent", "lost"] as const).map((state) => table.isFinal(state)),
    [false, false, true],
  );
});

test("a machine changes its state with its data, and tells of each change", () => {
  const changes: string[] = [];
  const parcel = machine(changes);
  assert.equal(parcel.change("pack", { kind: "packed", weight: 2 }), true);
  assert.deepEqual(parcel.state, { kind: "packed", weight: 2 });
  assert.equal(parcel.change("send", { kind: "sent", to: "Ann" }), true);
  assert.deepEqual(parcel.state, { kind: "sent", to: "Ann" });
  assert.equal(parcel.isOver, false);
  assert.equal(parcel.change("lose", { kind: "lost" }), true);
  assert.equal(parcel.isOver, true);
  assert.deepEqual(changes, ["packed pack packed", "packed send sent", "sent lose lost"]);
});

test("an ignored event changes nothing and tells nobody", () => {
  const changes: string[] = [];
  const parcel = machine(changes);
  parcel.change("send", { kind: "sent", to: "Ann" });
  assert.equal(parcel.change("pack", { kind: "packed", weight: 3 }), false);
  assert.deepEqual(parcel.state, { kind: "sent", to: "Ann" });
  assert.deepEqual(changes, ["packed send sent"]);
});

test("an event that cannot come throws and changes nothing", () => {
  const parcel = machine();
  parcel.change("send", { kind: "sent", to: "Ann" });
  assert.throws(
    () => parcel.change("send", { kind: "sent", to: "Bob" }),
    new TransitionError('"send" cannot come in the state "sent"'),
  );
  assert.deepEqual(parcel.state, { kind: "sent", to: "Ann" });
});

test("a state other than that of the table throws and changes nothing", () => {
  const both = new TransitionTable({
    initial: "packed",
    events,
    rows: { packed: { send: "sent" }, sent: { send: "lost" }, lost: {} } as const satisfies TransitionRows<
      Parcel["kind"],
      keyof typeof events
    >,
  });
  const parcel = new StateMachine<Parcel, typeof both.rows>(both, { kind: "packed", weight: 1 });
  assert.throws(
    () => parcel.change("send", { kind: "lost" }),
    new TransitionError('"send" leads from the state "packed" to "sent", not to "lost"'),
  );
  assert.deepEqual(parcel.state, { kind: "packed", weight: 1 });
});

test("a machine begins in the first state of its table", () => {
  assert.throws(
    () => new StateMachine<Parcel, typeof rows>(table, { kind: "lost" }),
    new TransitionError('the first state is not "lost"'),
  );
});
