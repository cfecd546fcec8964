/**
 * Scenes: worlds that are made for one kind of trouble, which chance would bring about too seldom. Seven seeds in
 * ten have one of them, in turn. Some of the seed's faults go on beside it.
 */
import type { Chance } from "./chance.ts";
import type { Fault } from "./fault-plan.ts";
import { automaticMail, autoResponders, loopsHeld } from "./scenes-automatic.ts";
import { backupLacks, lostReplies, poison, sevenBit } from "./scenes-sites.ts";
import {
  beyondMemory,
  mailingOnDisk,
  manyNames,
  manyReports,
  oneMailing,
  slowMailbox,
  steadySender,
  twoSenders,
} from "./scenes-shares.ts";
import {
  bareLineFeeds,
  contentLost,
  powerLossInMailbox,
  refusedVerbs,
  staleLeases,
  wokenTooEarly,
} from "./scenes-operators.ts";
import { clockBack, clockForwardAndBack, endsAtRest } from "./scenes-clocks.ts";
import { certificatesExpire, policiesChange, sharedHost } from "./scenes-policies.ts";
import { strainedMachine } from "./scenes-overload.ts";
import { daneUnderAttack, passwordUnderAttack, policyOutlivesServer, policyUnderAttack } from "./scenes-tls.ts";
import type { Scene } from "./stage.ts";

const minuteMs = 60_000;

const scenes: readonly Scene[] = [
  manyNames,
  backupLacks,
  poison,
  slowMailbox,
  twoSenders,
  automaticMail,
  bareLineFeeds,
  refusedVerbs,
  staleLeases,
  manyReports,
  sevenBit,
  oneMailing,
  autoResponders,
  loopsHeld,
];

/** These have seeds of their own, one in eight, so that the seeds of the others play what they always did. */
const laterScenes: readonly Scene[] = [endsAtRest, clockForwardAndBack, clockBack, contentLost, mailingOnDisk];

/** So have these, one in thirty-two. */
const rareScenes: readonly Scene[] = [steadySender, powerLossInMailbox];

/** And these, two in thirty-two. */
const newestScenes: readonly Scene[] = [lostReplies, wokenTooEarly, beyondMemory];

/** And these, three in sixty-four: policies about TLS. */
const tlsScenes: readonly Scene[] = [
  daneUnderAttack,
  policyUnderAttack,
  policiesChange,
  passwordUnderAttack,
  sharedHost,
  certificatesExpire,
  policyOutlivesServer,
];

/** And these, one in sixty-four: what the machine is measured by. */
const measuredScenes: readonly Scene[] = [strainedMachine];

export function sceneOf(seed: number): Scene | undefined {
  if (seed % 2 === 0) return scenes[(seed / 2) % scenes.length];
  if (seed % 32 === 3) return rareScenes[((seed - 3) / 32) % rareScenes.length];
  if (seed % 32 === 7 || seed % 32 === 15) return newestScenes[Math.floor(seed / 16) % newestScenes.length];
  if (seed % 32 === 13) return tlsScenes[Math.floor(seed / 32) % tlsScenes.length];
  if (seed % 64 === 23) return tlsScenes[(Math.floor(seed / 32) + 1) % tlsScenes.length];
  if (seed % 64 === 43) return measuredScenes[Math.floor(seed / 64) % measuredScenes.length];
  return seed % 8 === 1 ? laterScenes[((seed - 1) / 8) % laterScenes.length] : undefined;
}

/** When a scene begins, and whether nothing else goes wrong meanwhile. */
export interface Cue {
  readonly atMs: number;
  readonly lastsMs: number;
  readonly calm: boolean;
}

export function cueOf(chance: Chance, { isLong }: Scene, withinMs: number): Cue {
  // Early enough to be over before the world is put in order, if it goes on for days.
  const latestMs = isLong === true ? 5 * 60 * minuteMs : withinMs - 50 * minuteMs;
  // Late enough for whatever a start does to be over.
  const atMs = Math.round(chance.between(50 * minuteMs, latestMs));
  return { atMs, lastsMs: (isLong === true ? 32 * 60 : 60) * minuteMs, calm: chance.is(0.75) };
}

/** In most worlds nothing else goes wrong around a scene, so that what it promises can be expected. */
export function spared(faults: readonly Fault[], { atMs, lastsMs, calm }: Cue): readonly Fault[] {
  if (!calm) return faults;
  return faults.filter(
    (fault) =>
      fault.kind !== "clock-forward" &&
      fault.kind !== "clock-back" &&
      (fault.atMs > atMs + lastsMs || fault.atMs + fault.lastsMs < atMs - 60 * minuteMs),
  );
}
