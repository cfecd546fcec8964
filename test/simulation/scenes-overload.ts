/** A scene in which the machine comes under strain while mail arrives, and other mail waits. */
import type { OverloadCause } from "../../src/policy/readiness.ts";
import { TestMeasures } from "../../src/testing/test-measures.ts";
import type { Machine } from "./machine.ts";
import type { Scene, Stage } from "./stage.ts";

const minuteMs = 60_000;

const causes: readonly OverloadCause[] = ["memory", "heap", "disk", "inodes", "event-loop", "spool"];

/** When it begins, and when the machine is well again. */
const strainedAtMs = 2 * minuteMs;
const relievedAtMs = 14 * minuteMs;

/**
 * Mail waits for a host that takes none at first; the machine comes under strain, and the host takes mail again meanwhile: what
 * waited goes out, though nobody gets in. Then the strain ends, and for a while nobody asks whether the server is well.
 */
export const strainedMachine: Scene = {
  name: "a machine under strain",
  numbers: { deliveries: 500, ready: 2_000, flooded: false, expireMs: 36 * 60 * minuteMs },
  isMeasured: true,
  play: async (stage) => {
    const { chance, machine } = stage;
    const receiver = await stage.host("patient.test", "opens-late");
    // A spool of real servers has its own disk.
    const cause = chance.pick(machine.store === undefined ? causes : causes.slice(0, -1));
    // Each letter is due again between four and six minutes after it came.
    for (let index = 0; index < 8; index++) {
      const errand = { from: "lists@d0.test", to: [`user${index}@${receiver.domain}`] };
      stage.arrives(relievedAtMs - 3 * minuteMs, index * 1_000, errand);
    }
    stage.strain(cause, strainedAtMs, relievedAtMs);
    stage.at(strainedAtMs, () => strain(stage, cause));
    stage.at(strainedAtMs + minuteMs, () => receiver.open());
    stage.at(relievedAtMs, () => relieve(machine, cause));
    for (let atMs = strainedAtMs; atMs < relievedAtMs; atMs += 2_000) stage.probe(atMs);
    for (let atMs = strainedAtMs + 20_000; atMs < relievedAtMs; atMs += 20_000) arrive(stage, atMs);
    for (let atMs = relievedAtMs + minuteMs; atMs < relievedAtMs + 4 * minuteMs; atMs += 20_000) {
      stage.probe(atMs);
      arrive(stage, atMs);
    }
  },
};

/** A host that may relay sends, and a user: they are refused while the machine is strained, and served later. */
function arrive(stage: Stage, atMs: number): void {
  const to = [`user1@${stage.healthy.domain}`];
  const byMs = atMs + 10 * minuteMs;
  const first = { from: "lists@d0.test", to } as const;
  const second = { from: "ann@example.org", to: ["ann@example.org"], by: "submitter" } as const;
  stage.arrives(byMs, atMs, first);
  stage.arrives(byMs, atMs + 5_000, second);
}

function strain({ machine, chance, faults }: Stage, cause: OverloadCause): void {
  const { files, measures } = machine;
  if (measures === undefined) throw new Error("nobody measures this machine");
  const { use } = measures;
  if (cause === "memory") measures.use = { ...use, resident: 0.95 * use.residentMax };
  else if (cause === "heap") measures.use = { ...use, heap: 0.95 * use.heapMax };
  else if (cause === "inodes") measures.inodes = chance.below(900);
  else if (cause === "event-loop") measures.delayMs = chance.between(1_500, 9_000);
  // Above what a journal needs, below half of what is to stay free.
  else if (cause === "disk") files.space = chance.between(10_000_000, 45_000_000);
  else faults.hangSpool(chance.between(12_000, 20_000), relievedAtMs - strainedAtMs);
}

function relieve({ files, measures }: Machine, cause: OverloadCause): void {
  if (cause === "disk") files.space = Number.POSITIVE_INFINITY;
  if (measures !== undefined) Object.assign(measures, new TestMeasures());
}
