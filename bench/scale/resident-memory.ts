/** Resident memory of a process, as Linux counts it. */
import { readFileSync, writeFileSync } from "node:fs";

/** VmRSS, in octets. */
export function residentBytes(processId: number): number {
  return statusField(processId, "VmRSS");
}

/**
 * The most that was resident between construction and {@link peak}: the kernel's own high-water mark, which misses
 * nothing between two looks, and a look every 10 ms where it cannot be reset.
 */
export class ResidentPeak implements Disposable {
  readonly #processId: number;
  readonly #timer: NodeJS.Timeout;
  readonly #exact: boolean;
  #most: number;
  /** Resident when this was made. */
  readonly before: number;

  constructor(processId: number) {
    this.#processId = processId;
    this.before = residentBytes(processId);
    this.#most = this.before;
    this.#exact = resetHighWater(processId);
    this.#timer = setInterval(() => this.#look(), 10);
  }

  get peak(): number {
    this.#look();
    return this.#exact ? Math.max(this.#most, statusField(this.#processId, "VmHWM")) : this.#most;
  }

  get grown(): number {
    return this.peak - this.before;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#most = Math.max(this.#most, residentBytes(this.#processId));
  }
}

function resetHighWater(processId: number): boolean {
  try {
    writeFileSync(`/proc/${processId}/clear_refs`, "5");
    return true;
  } catch {
    return false;
  }
}

function statusField(processId: number, name: string): number {
  const status = readFileSync(`/proc/${processId}/status`, "latin1");
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024;
}

/** Files that a process started from here may have open; Node raises its own limit to it. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "latin1");
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
}
