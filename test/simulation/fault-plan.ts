/**
 * What goes wrong in a simulation, as a list made from the seed beforehand: so that a failing seed can be run again with
 * fewer faults, until none can be left out.
 */
import type { Chance } from "./chance.ts";
import type { DnsFaultKind } from "./dns-faults.ts";
import type { FormatFaultKind } from "./format-faults.ts";

export type FaultKind =
  | "kill"
  | "power-loss"
  | "kill-in-write"
  | "power-loss-in-write"
  | "restart"
  | FormatFaultKind
  | "reload"
  | "reload-refused"
  | "route-changes"
  | "user-removed"
  | "disk-full"
  | "sync-fails"
  | "disk-slow"
  | DnsFaultKind
  | "receiver-cut-off"
  | "server-cut-off"
  | "receiver-slow"
  | "connections-reset"
  | "receiver-moves"
  | "records-change"
  | "receiver-goes-silent"
  | "clock-forward"
  | "clock-back"
  | "sleep";

export interface Fault {
  /** Milliseconds from the start. */
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly lastsMs: number;
  /** Which receiver, where it concerns one. */
  readonly receiver: number;
}

const minute = 60_000;
const kinds: readonly { readonly kind: FaultKind; readonly weight: number; readonly longestMs: number }[] = [
  { kind: "kill", weight: 4, longestMs: 30 * minute },
  { kind: "power-loss", weight: 4, longestMs: 60 * minute },
  { kind: "kill-in-write", weight: 8, longestMs: 5 * minute },
  { kind: "power-loss-in-write", weight: 8, longestMs: 5 * minute },
  { kind: "restart", weight: 4, longestMs: 10 * minute },
  { kind: "upgrade", weight: 4, longestMs: 10 * minute },
  { kind: "rollback", weight: 4, longestMs: 10 * minute },
  { kind: "reload", weight: 2, longestMs: 0 },
  { kind: "route-changes", weight: 1, longestMs: 300 * minute },
  { kind: "user-removed", weight: 1, longestMs: 120 * minute },
  { kind: "disk-full", weight: 2, longestMs: 90 * minute },
  { kind: "sync-fails", weight: 2, longestMs: 20 * minute },
  { kind: "disk-slow", weight: 1, longestMs: 30 * minute },
  { kind: "dns-silent", weight: 1, longestMs: 120 * minute },
  { kind: "dns-late", weight: 1, longestMs: 120 * minute },
  { kind: "dns-zone-fails", weight: 2, longestMs: 240 * minute },
  { kind: "dns-server-dead", weight: 2, longestMs: 600 * minute },
  { kind: "dns-server-errs", weight: 2, longestMs: 600 * minute },
  { kind: "dns-truncates", weight: 1, longestMs: 600 * minute },
  { kind: "dns-tcp-fails", weight: 1, longestMs: 120 * minute },
  { kind: "dns-forged", weight: 1, longestMs: 600 * minute },
  { kind: "dns-servers-restart", weight: 1, longestMs: 0 },
  { kind: "receiver-cut-off", weight: 3, longestMs: 600 * minute },
  { kind: "server-cut-off", weight: 2, longestMs: 240 * minute },
  { kind: "receiver-slow", weight: 2, longestMs: 120 * minute },
  { kind: "connections-reset", weight: 4, longestMs: 0 },
  { kind: "receiver-moves", weight: 2, longestMs: 0 },
  { kind: "records-change", weight: 2, longestMs: 0 },
  { kind: "receiver-goes-silent", weight: 2, longestMs: 0 },
  { kind: "clock-forward", weight: 1, longestMs: 0 },
  { kind: "clock-back", weight: 1, longestMs: 0 },
  { kind: "sleep", weight: 1, longestMs: 480 * minute },
];

/** Of these only mail to the one receiver notices anything. */
export const ofOneReceiver: ReadonlySet<FaultKind> = new Set([
  "dns-zone-fails",
  "receiver-cut-off",
  "receiver-slow",
  "receiver-goes-silent",
  "route-changes",
]);

/**
 * Of these mail must not notice anything: what was refused is not in force, there is another server, there is TCP, an id that was not asked for is nobody's
 * answer, and what was true stays so for its TTL. (Moves that are noticed are in the book of the receiver.)
 */
export const unnoticed: ReadonlySet<FaultKind> = new Set([
  "reload-refused",
  "dns-server-dead",
  "dns-server-errs",
  "dns-truncates",
  "dns-forged",
  "dns-servers-restart",
  "receiver-moves",
  "records-change",
]);

/** Of these a reply on its way may be lost, beside the crashes. */
export const onLines: ReadonlySet<FaultKind> = new Set([
  "receiver-cut-off",
  "server-cut-off",
  "receiver-slow",
  "connections-reset",
  "receiver-goes-silent",
]);

export function planFaults(
  chance: Chance,
  options: { readonly withinMs: number; readonly receivers: number; readonly busyAtMs: readonly number[] },
): Fault[] {
  const bag = kinds.flatMap((entry) => Array.from({ length: entry.weight }, () => entry));
  const count = chance.below(20);
  const faults = Array.from({ length: count }, (): Fault => {
    const { kind, longestMs } = chance.pick(bag);
    // Trouble that comes while there is much to do shows more.
    const atMs =
      chance.is(0.3) && options.busyAtMs.length > 0
        ? chance.pick(options.busyAtMs) + chance.below(30_000)
        : Math.floor(chance.next() * options.withinMs);
    const lastsMs = Math.floor(chance.next() ** 2 * longestMs);
    return { atMs, kind, lastsMs, receiver: chance.below(options.receivers) };
  });
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** Another route for mail that waits in memory: where it goes is decided anew. */
export function reloadsAmid(floods: readonly { readonly atMs: number }[], chance: Chance): readonly Fault[] {
  return floods
    .filter(() => chance.is(0.3))
    .map(({ atMs }) => ({
      atMs: atMs + chance.below(30_000),
      kind: "route-changes",
      lastsMs: chance.below(30 * minute),
      receiver: 1,
    }));
}

/** Reloads that a part of the server refuses, and in worlds whose routes change, reloads that come amid others. */
export function contestedReloads(
  faults: readonly Fault[],
  chance: Chance,
  options: { readonly withinMs: number; readonly receivers: number; readonly busyAtMs: readonly number[] },
): readonly Fault[] {
  const { withinMs, receivers, busyAtMs } = options;
  const refused = Array.from({ length: chance.is(0.6) ? 1 + chance.below(5) : 0 }, (): Fault => {
    const isBusy = chance.is(0.6) && busyAtMs.length > 0;
    const atMs = isBusy ? chance.pick(busyAtMs) + chance.below(30_000) : Math.floor(chance.next() * withinMs);
    return { atMs, kind: "reload-refused", lastsMs: 0, receiver: chance.below(receivers) };
  });
  const amid = faults
    .filter(({ kind }) => kind === "route-changes" && chance.is(0.6))
    .flatMap((fault): Fault[] => [
      { ...fault, atMs: fault.atMs + chance.below(2_000), lastsMs: chance.below(3_000) },
      { ...fault, atMs: fault.atMs + chance.below(4_000), kind: "reload-refused", lastsMs: 0 },
    ]);
  return [...refused, ...amid];
}
