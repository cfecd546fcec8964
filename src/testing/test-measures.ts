/** Measures of a machine that a test strains as it likes. Idle at first. */
import type { HostMeasures, MemoryUse } from "../ports/host-measures.ts";

export class TestMeasures implements HostMeasures {
  use: MemoryUse = { resident: 100, residentMax: 1000, heap: 50, heapMax: 500 };
  delayMs = 0;
  /** undefined: the file system does not answer. */
  inodes: number | undefined = 1_000_000;
  asked = 0;

  memory(): MemoryUse {
    this.asked++;
    return this.use;
  }

  eventLoopDelayMs(): number {
    return this.delayMs;
  }

  async freeInodes(): Promise<number> {
    if (this.inodes === undefined) throw new Error("EIO");
    return this.inodes;
  }
}
