/**
 * Notices that the process which started this one is gone. Two kinds of program start a server and cannot always pass on
 * the signal that stops them: our own launcher (`bin/posthaste` under a Node that is too old, `npm start`), and npm, which
 * puts a shell in between. A SIGKILL ends either of them at once. Without this the server would live on as an orphan and
 * keep its ports and its lock. Any other parent may leave a server behind on purpose (`posthaste dev &`).
 */
import { readFileSync } from "node:fs";
import type { Clock } from "../../ports/clock.ts";

/** Set by our launcher to its own process id. */
export const launcherVariable = "POSTHASTE_LAUNCHER";
/** Asking costs some microseconds. */
const askEveryMs = 250;
const shells = new Set(["sh", "ash", "bash", "busybox", "dash", "ksh", "zsh"]);
/** Launcher, shell and npm, and as many again. */
const levelsMax = 6;

/** What the system tells of other processes; undefined where it does not, or where there is no such process. */
export interface ProcessTable {
  readonly ownId: number;
  parentOf(id: number): number | undefined;
  nameOf(id: number): string | undefined;
}

/** Without `/proc` only the own parent is known, which is the launcher or, where the shell makes way, npm. */
export const systemProcesses: ProcessTable = {
  ownId: process.pid,
  parentOf: (id) => {
    if (id === process.pid) return process.ppid;
    const [, parent] = /\) \S (\d+)/.exec(readProcess(id, "stat")) ?? [];
    return parent === undefined ? undefined : Number(parent);
  },
  nameOf: (id) => readProcess(id, "comm").trim() || undefined,
};

function readProcess(id: number, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, "latin1");
  } catch {
    return "";
  }
}

/**
 * The processes between this one and the one whose end must end it, that one last; empty under a parent that may leave a
 * server behind. Removes the launcher's variable from the environment: what this process starts has another parent.
 */
export function launchersOf(
  environment: Record<string, string | undefined>,
  processes: ProcessTable,
): readonly number[] {
  const launcher = environment[launcherVariable];
  delete environment[launcherVariable];
  const byNpm = environment["npm_lifecycle_event"] !== undefined;
  if (launcher === undefined && !byNpm) return [];
  const parent = processes.parentOf(processes.ownId);
  // A launcher that is gone already is kept, so that its absence is noticed.
  const found = launcher === undefined ? [parent] : [Number(launcher)];
  while (byNpm && found.length < levelsMax) {
    const last = found.at(-1) ?? 0;
    const isBetween = last === Number(launcher) || shells.has(processes.nameOf(last) ?? "");
    const above = processes.parentOf(last);
    if (!isBetween || above === undefined || above <= 1) break;
    found.push(above);
  }
  return found.flatMap((id) => id ?? []);
}

/** Calls `gone` once, as soon as one of the launchers has another parent than it had: the system gives orphans a new one. */
export function watchLaunchers(
  launchers: readonly number[],
  options: { readonly processes: ProcessTable; readonly clock: Clock; readonly gone: () => void },
): void {
  const { processes, clock, gone } = options;
  const children = [processes.ownId, ...launchers];
  const together = launchers.every((id, index) => processes.parentOf(children[index] ?? id) === id);
  if (!together) gone();
  else if (launchers.length > 0) clock.setTimer(askEveryMs, () => watchLaunchers(launchers, options));
}
