/** The panels of a soak: memory, time to 250, event loop, queue, processors. */
import { renderPlots } from "./plot.ts";
import type { Result, Sample } from "./samples.ts";

/** What is drawn of a run. */
export function plotsOf(result: Result, samples: readonly Sample[]): string {
  const all = (value: (sample: Sample) => number | undefined) => samples.map(value);
  return renderPlots(
    `${result.minutes} minutes at ${result.ratePerSecond.toFixed(0)} messages a second, half the maximum; ${result.machine}`,
    samples.map(({ atMs }) => atMs / 60_000),
    [
      {
        title: "Memory",
        unit: "MB",
        series: [
          { name: "RSS", values: all(({ rssBytes }) => rssBytes / 1e6) },
          { name: "heap", values: all(({ heapBytes }) => (heapBytes === undefined ? undefined : heapBytes / 1e6)) },
        ],
      },
      {
        title: "Content to 250",
        unit: "ms",
        series: [
          { name: "p50", values: all(({ latencyP50Ms }) => latencyP50Ms) },
          { name: "p99", values: all(({ latencyP99Ms }) => latencyP99Ms) },
        ],
      },
      { title: "Event-loop delay", unit: "ms", series: [{ name: "p99", values: all(({ loopP99Ms }) => loopP99Ms) }] },
      {
        title: "Queue",
        unit: "recipients",
        series: [{ name: "waiting, in delivery", values: all(({ queued }) => queued) }],
      },
      {
        title: "Processors",
        unit: "cores",
        series: [
          { name: "server", values: all(({ serverCores }) => serverCores) },
          { name: "whole machine", values: all(({ machineCores }) => machineCores) },
        ],
      },
    ],
    // The last look at a process that has a successor.
    samples.flatMap((sample, index) => {
      const next = samples[index + 1];
      return next !== undefined && next.life !== sample.life ? [sample.atMs / 60_000] : [];
    }),
  );
}
