import assert from "node:assert/strict";
import { test } from "node:test";
import { type TransitionRows, TransitionTable } from "../src/lib/transition-table.ts";
import { stateDiagram, stateSection } from "./state-diagram.ts";

const door = new TransitionTable({
  initial: "closed",
  events: {
    open: "Someone pulls.",
    slam: "The wind blows.",
    shut: "Someone pushes.",
    lock: "The key turns.",
    burn: "It burns.",
  },
  rows: {
    closed: { open: "wide-open", lock: "locked", shut: "ignored", burn: "burnt" },
    "wide-open": { shut: "closed", slam: "closed", burn: "burnt" },
    locked: { lock: "locked", shut: "ignored", burn: "burnt" },
    burnt: { burn: "ignored" },
  } as const satisfies TransitionRows<string, string>,
});

test("a diagram draws one arrow for two states, and what comes in every state once", () => {
  assert.equal(
    stateDiagram(door),
    `stateDiagram-v2
    state "wide-open" as wide_open
    state "any state" as any_state
    [*] --> closed
    closed --> wide_open: open
    closed --> locked: lock
    wide_open --> closed: shut, slam
    locked --> locked: lock
    any_state --> burnt: burn
    burnt --> [*]`,
  );
});

test("a section tells what each event means, and which states ignore it", () => {
  const section = stateSection(door);
  assert.ok(section.startsWith("```mermaid\nstateDiagram-v2\n"));
  assert.match(section, /^\| `shut` +\| Someone pushes\. +\| closed, locked +\|$/m);
  assert.match(section, /^\| `open` +\| Someone pulls\. +\| +\|$/m);
  assert.match(section, /^\| `burn` +\| It burns\. +\| burnt +\|$/m);
});
