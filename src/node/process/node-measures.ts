/** Measures of this process, from Node and from Linux's control group. */
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { HostMeasures, MemoryUse } from "../../ports/host-measures.ts";

/** Ten wake-ups a second cost nothing that can be seen, and delays of a second are what matters. */
const resolutionMs = 100;

export class NodeMeasures implements HostMeasures {
  readonly #delays = monitorEventLoopDelay({ resolution: resolutionMs });
  readonly #residentMax = Math.min(totalmem(), controlGroupLimit());

  constructor() {
    this.#delays.enable();
  }

  memory(): MemoryUse {
    const { used_heap_size: heap, heap_size_limit: heapMax } = getHeapStatistics();
    return { resident: process.memoryUsage.rss(), residentMax: this.#residentMax, heap, heapMax };
  }

  eventLoopDelayMs(): number {
    const { mean } = this.#delays;
    this.#delays.reset();
    // Without a sample there is no mean. The histogram counts whole intervals.
    return Number.isFinite(mean) ? Math.max(0, mean / 1e6 - resolutionMs) : 0;
  }

  async freeInodes(path: string): Promise<number> {
    const { files, ffree } = await statfs(path);
    // btrfs and others have no fixed number, and say 0 of 0.
    return files === 0 ? Number.POSITIVE_INFINITY : ffree;
  }
}

/** Infinity where there is no limit, or none that can be read (version 2 of control groups, as in a container). */
function controlGroupLimit(): number {
  try {
    const limit = Number(readFileSync("/sys/fs/cgroup/memory.max", "latin1"));
    return Number.isFinite(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
