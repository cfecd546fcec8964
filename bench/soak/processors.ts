/** How much processor time was used, as Linux counts it. */
import { readFileSync } from "node:fs";

/** USER_HZ, which is 100 wherever Node runs. */
const ticksPerSecond = 100;

/** Of a process with all its threads, user and system. */
export function processorSeconds(processId: number): number {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, "latin1");
    // Behind the name, which may hold anything, the state is field 3; utime and stime are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    // It ended.
    return 0;
  }
}

/** Of everything that runs here, all but idle time. */
export function machineSeconds(): number {
  const [, ...ticks] = (readFileSync("/proc/stat", "latin1").split("\n")[0] ?? "").trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0] = ticks;
  return (user + nice + system + interrupt + softInterrupt) / ticksPerSecond;
}
