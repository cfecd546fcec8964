/** How the machine and this process are doing. The real one is `node/process/node-measures.ts`. */
export interface HostMeasures {
  memory(): MemoryUse;
  /** Mean delay of the event loop since it was last asked, in milliseconds: how late timers ran. */
  eventLoopDelayMs(): number;
  /** Files that can still be created where `path` is; Infinity where the file system sets no number. */
  freeInodes(path: string): Promise<number>;
}

/** In octets. */
export interface MemoryUse {
  /** Resident memory of the process. */
  readonly resident: number;
  /** What the process may have: the limit of its control group (a container), else the memory of the machine. */
  readonly residentMax: number;
  /** JavaScript's heap. */
  readonly heap: number;
  readonly heapMax: number;
}
