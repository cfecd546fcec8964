/** Records what a process does to a folder, and makes that folder again as power losses would have left it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SeededRandom } from "../../../src/testing/seeded-random.ts";
import { cutsOf, lossOf } from "./losses.ts";
import { RecordedDisk } from "./recorded-disk.ts";
import { readTrace, type Step, tracer } from "./trace.ts";

export interface Recording {
  /** The folder that was recorded. */
  readonly root: string;
  readonly steps: readonly Step[];
}

/** In memory where there is such a place: that the images are written and read again is no part of any test. */
const imagesFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Runs a Node program to its end, good or by SIGKILL. What it says goes to `${trace}.said`. */
export async function record(root: string, trace: string, args: readonly string[]): Promise<Recording> {
  const [command = "", ...options] = tracer(trace);
  // A file is never full as a pipe may be, whose reader has no turn on a busy machine.
  const said = openSync(`${trace}.said`, "w");
  const child: ChildProcess = spawn(command, [...options, process.execPath, ...args], {
    stdio: ["ignore", said, "inherit"],
  });
  await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  closeSync(said);
  assert.ok(child.exitCode === 0 || child.signalCode === "SIGKILL", `exit code ${child.exitCode}`);
  return { root, steps: await readTrace(trace, root) };
}

export interface Replay {
  readonly cuts: number;
  readonly seed: number;
  /** What was said by the time of the next `check`. */
  readonly hear: (said: string) => void;
  /** Gets a folder as the disk may have it after a power loss. */
  readonly check: (folder: string) => Promise<void>;
}

/** Rejects where a check does, with what makes it happen again. */
export async function replay(
  { root, steps }: Recording,
  { cuts, seed, hear, check }: Replay,
): Promise<{ readonly losses: number; readonly atStake: number }> {
  const random = new SeededRandom(seed);
  const disk = new RecordedDisk(root);
  let losses = 0;
  let atStake = 0;
  let next = 0;
  // Whoever hears it knows as soon as it leaves.
  const listen = (step: Step) => step.call.kind === "say" && step.edge === "begin" && hear(step.call.text);
  for (const cut of cutsOf(steps, cuts, random)) {
    for (; next <= cut; next++) {
      const step = steps[next];
      if (step === undefined) break;
      disk.apply(step);
      listen(step);
    }
    const loss = lossOf(losses++, random);
    atStake += disk.unsynced;
    const folder = mkdtempSync(`${imagesFolder}/posthaste-power-`);
    try {
      disk.write(folder, loss);
      await check(folder);
    } catch (error) {
      const { edge, call } = steps[cut] ?? {};
      const where = `after the ${edge} of ${call?.kind}, step ${cut} of ${steps.length}, lost: ${loss.name}`;
      throw new Error(`POWER_SEED=${seed} POWER_CUTS=${cuts}, ${where}: ${String(error)}`, { cause: error });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  for (const step of steps.slice(next)) listen(step);
  return { losses, atStake };
}
