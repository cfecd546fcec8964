/** What is looked at every few seconds, and what the run comes to. */
import { markdownTable } from "../../scripts/markdown-table.ts";
import type { HostileTurn } from "./hostile-turns.ts";
import type { LedgerCounts } from "./ledger.ts";
import { commonSlope, type Slope } from "./slope.ts";

export interface Sample {
  readonly atMs: number;
  /** Which process: 0 until the restart, then 1. */
  readonly life: number;
  readonly rssBytes: number;
  readonly heapBytes: number | undefined;
  readonly loopP99Ms: number | undefined;
  readonly loopMaxMs: number | undefined;
  /** Of the replies to content since the sample before; undefined where there was none. */
  readonly latencyP50Ms: number | undefined;
  readonly latencyP99Ms: number | undefined;
  readonly acceptedPerSecond: number;
  /** Recipients in the queue, waiting or in delivery. */
  readonly queued: number | undefined;
  readonly owed: number;
  /** Share of a processor that the server had, and all that the machine was busy with. */
  readonly serverCores: number;
  readonly machineCores: number;
}

export interface Result {
  readonly machine: string;
  readonly minutes: number;
  readonly maximumPerSecond: number;
  readonly ratePerSecond: number;
  readonly achievedPerSecond: number;
  readonly counts: LedgerCounts;
  /** Sessions that the server ended or refused: those at the restart, and every attempt until it is back. */
  readonly interrupted: number;
  readonly rssMegabytes: { readonly first: number; readonly last: number; readonly most: number };
  readonly rssSlope: Slope | undefined;
  readonly heapSlope: Slope | undefined;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly latencyP50Slope: Slope | undefined;
  readonly latencyP99Slope: Slope | undefined;
  /** The worse of the two processes, each over its whole life. */
  readonly loopDelayP99Ms: number;
  readonly queueMost: number;
  /** Absent in results of earlier programs. */
  readonly hostileTurns?: readonly HostileTurn[];
  readonly machineCores: number;
  readonly serverCores: number;
  /** What must not be; empty when all is well. */
  readonly failures: readonly string[];
}

const megabyte = 1e6;

/** Below it what grows is compilation and caches. */
const slopeMsMin = 9 * 60_000;

/**
 * Slopes leave out the first quarter of the run, and as long behind the restart: compilation, caches and the allocator's
 * arenas fill memory in steps for some quarter of an hour. Growth that lasts is seen behind that.
 */
export function slopesOf(
  samples: readonly Sample[],
): Pick<Result, "rssSlope" | "heapSlope" | "latencyP50Slope" | "latencyP99Slope"> {
  const first = samples[0]?.atMs ?? 0;
  const lengthMs = (samples.at(-1)?.atMs ?? 0) - first;
  const lives = [...Map.groupBy(samples, ({ life }) => life).values()].map((life) => {
    const began = life[0]?.atMs ?? 0;
    return life.filter(({ atMs }) => atMs - began >= lengthMs / 4);
  });
  const slope = (value: (sample: Sample) => number | undefined) => {
    const segments = lives.map((life) =>
      life.flatMap((sample) => {
        const found = value(sample);
        return found === undefined ? [] : [{ atMs: sample.atMs, value: found }];
      }),
    );
    return lengthMs < slopeMsMin ? undefined : commonSlope(segments, lengthMs / 60);
  };
  return {
    rssSlope: slope(({ rssBytes }) => rssBytes / megabyte),
    heapSlope: slope(({ heapBytes }) => (heapBytes === undefined ? undefined : heapBytes / megabyte)),
    latencyP50Slope: slope(({ latencyP50Ms }) => latencyP50Ms),
    latencyP99Slope: slope(({ latencyP99Ms }) => latencyP99Ms),
  };
}

export function rowsOf(result: Result): readonly (readonly [what: string, figure: string])[] {
  const { counts, rssMegabytes: rss } = result;
  const slope = (value: Slope | undefined, unit: string) =>
    value === undefined
      ? "too short to say"
      : `${value.perHour.toFixed(2)} ± ${value.standardError.toFixed(2)} ${unit} an hour`;
  return [
    ["length", `${result.minutes} minutes`],
    ["measured maximum of the mix", `${result.maximumPerSecond.toFixed(0)} messages a second`],
    ["rate asked for, achieved", `${result.ratePerSecond.toFixed(0)}, ${result.achievedPerSecond.toFixed(0)} a second`],
    ["answered 250", counts.acknowledged.toLocaleString("en")],
    ["arrived, reported", `${counts.arrived.toLocaleString("en")}, ${counts.reported.toLocaleString("en")}`],
    ["lost", counts.owed.toLocaleString("en")],
    ["further copies", `${counts.extraCopies}; towards peers that hide their reply ${counts.extraCopiesOfFaulty}`],
    ["memory (RSS), first, last, most", `${rss.first.toFixed(0)}, ${rss.last.toFixed(0)}, ${rss.most.toFixed(0)} MB`],
    ["growth of RSS", slope(result.rssSlope, "MB")],
    ["growth of the heap", slope(result.heapSlope, "MB")],
    ["content to 250, p50 and p99", `${result.latencyP50Ms.toFixed(1)} and ${result.latencyP99Ms.toFixed(1)} ms`],
    ["growth of the p50", slope(result.latencyP50Slope, "ms")],
    ["growth of the p99", slope(result.latencyP99Slope, "ms")],
    ["event-loop delay, p99", `${result.loopDelayP99Ms.toFixed(1)} ms`],
    ["longest queue", `${result.queueMost.toLocaleString("en")} recipients`],
    ...hostileRow(result.hostileTurns),
    [
      "processors used by the server, by everything",
      `${result.serverCores.toFixed(2)}, ${result.machineCores.toFixed(2)}`,
    ],
  ];
}

function hostileRow(turns: Result["hostileTurns"]): readonly (readonly [string, string])[] {
  const worst = turns?.toSorted((a, b) => b.longestMs - a.longestMs)[0];
  if (worst === undefined) return [];
  return [["longest turn under hostile mail", `${worst.longestMs.toFixed(0)} ms: ${worst.name}`]];
}

export function tableOf(result: Result): string {
  const hostile = (result.hostileTurns ?? []).map(({ name, longestMs }) => [name, longestMs.toFixed(0)]);
  return [
    result.machine,
    "",
    markdownTable(["what", "figure"], rowsOf(result), [false, false]),
    markdownTable(["hostile mail", "longest turn of the event loop, ms"], hostile, [false, true]),
  ].join("\n");
}
