/** Scenes of time: what ends while a site rests, and clocks that somebody sets while letters wait. */
import type { Scene } from "./stage.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Nothing but time stands in the way of a letter. */
const roomy = { deliveries: 500, deliveriesPerSite: 5, ready: 2_000, flooded: false } as const;
/** What is due is read within seconds, and a clock that was set is noticed within a minute. */
const soonMs = 3 * minuteMs;

/**
 * A host is down for hours, and fresh letters keep its site at rest while older ones reach the age of `expire`. Soon after
 * the host is back, the rest has not ended, but the last attempt of the next letter is made, and succeeds.
 */
export const endsAtRest: Scene = {
  name: "letters whose time ends while their site rests",
  isLong: true,
  numbers: { ...roomy, expireMs: 90 * minuteMs },
  play: async (stage) => {
    const { chance, machine } = stage;
    const { address, domain } = await stage.host("resting.test", "ordinary");
    const everyMs = 4 * minuteMs;
    const expireMs = 90 * minuteMs;
    stage.at(-1_000, () => machine.network.cut(address));
    // A reload may have shortened it.
    stage.at(-1_000, () => void machine.reload({ queue: { ...machine.settings.queue, expire: "90m" } }));
    const backAtMs = expireMs + chance.between(10, 90) * minuteMs;
    stage.at(backAtMs, () => machine.network.join(address));
    for (let index = 0; index * everyMs < backAtMs; index++) {
      const errand = { from: "lists@d0.test", to: [`user${index}@${domain}`] };
      const endsAtMs = index * everyMs + expireMs;
      // One that was tried when the host was still down may wait for that attempt.
      if (endsAtMs < backAtMs + minuteMs) stage.send(index * everyMs, errand);
      else stage.arrives(endsAtMs + soonMs, index * everyMs, errand);
    }
  },
};

/** Letters wait for a second attempt while the clock is wrong: ahead by more than the age of `expire`, for half an hour. */
export const clockForwardAndBack: Scene = {
  name: "a clock that is set forward by hours, and back again",
  numbers: { ...roomy, expireMs: 6 * hourMs, warnAfterMs: 2 * hourMs },
  play: async (stage) => {
    const { chance, faults } = stage;
    const receiver = await stage.host("patient.test", "opens-late");
    const byMs = Math.round(chance.between(7, 30) * hourMs);
    const backAtMs = 5 * minuteMs + chance.between(10, 30) * minuteMs;
    stage.at(5 * minuteMs, () => faults.setClock(byMs));
    stage.at(backAtMs - minuteMs, () => receiver.open());
    stage.at(backAtMs, () => faults.setClock(-byMs));
    for (let index = 0; index < 8; index++) {
      const errand = { from: "ann@example.org", to: [`user${index}@${receiver.domain}`], by: "submitter" } as const;
      stage.arrives(backAtMs + soonMs, index * 1_000, errand, { unwarned: true });
    }
  },
};

/** Letters wait for an attempt in half an hour or more when the clock is set back by hours. */
export const clockBack: Scene = {
  name: "a clock that is set back by hours",
  isLong: true,
  numbers: { ...roomy, expireMs: 36 * hourMs, warnAfterMs: 4 * hourMs },
  play: async (stage) => {
    const { chance, faults } = stage;
    const receiver = await stage.host("patient.test", "opens-late");
    // The fifth attempt is made by then, and the sixth is not: see `retry`, and by how much it spreads.
    const setAtMs = 100 * minuteMs;
    stage.at(setAtMs - 5 * minuteMs, () => receiver.open());
    stage.at(setAtMs, () => faults.setClock(-Math.round(chance.between(3, 12) * hourMs)));
    for (let index = 0; index < 8; index++) {
      const errand = { from: "ann@example.org", to: [`user${index}@${receiver.domain}`], by: "submitter" } as const;
      stage.arrives(setAtMs + soonMs, index * 1_000, errand);
    }
  },
};
