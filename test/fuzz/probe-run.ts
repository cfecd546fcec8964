/** Tries probes on one target and tells what grows faster than its input. */
import { grown, probesFor, superlinear, type Probe } from "./probe.ts";
import type { StepCounter } from "./steps.ts";
import type { FuzzTarget } from "./target.ts";

export interface Find {
  readonly probe: Probe;
  /** At 1, 2, 4 and 8 times the size. */
  readonly steps: readonly number[];
  /** Where most of them were taken. */
  readonly where: string;
}

export interface ProbeOptions {
  readonly counter: StepCounter;
  readonly seed: number;
  readonly probes: number;
  /** Of the smallest input; the largest has eight times as much. */
  readonly bytes: number;
  readonly findsMax: number;
}

export async function probeTarget(target: FuzzTarget, options: ProbeOptions): Promise<readonly Find[]> {
  const { counter, seed, probes, bytes, findsMax } = options;
  const finds: Find[] = [];
  let tried = 0;
  for (const probe of probesFor(target, seed)) {
    if (tried++ === probes || finds.length === findsMax) break;
    const steps = await superlinear(target, probe, counter, bytes);
    if (steps === undefined) continue;
    // Once more, to stop where most of the steps are.
    const input = grown(probe, bytes * 8);
    await counter.count(() => target.run(input), Math.floor((steps.at(-1) ?? 0) * 0.7));
    finds.push({ probe, steps, where: counter.where ?? "the target itself" });
  }
  return finds;
}

export function findText({ probe, steps, where }: Find): string {
  const { before, unit, close, after } = probe;
  const shown = (bytes: Buffer) => JSON.stringify(bytes.toString("latin1").slice(-60));
  const repeated = close.length === 0 ? `${shown(unit)} × n` : `${shown(unit)} × n, ${shown(close)} × n`;
  const growth = steps.map((count) => count.toLocaleString("en")).join(", ");
  return `${shown(before)}, ${repeated}, ${shown(after)}: ${growth} steps at n, 2n, 4n, 8n; ${where}`;
}
