/**
 * Lines gathered for a file descriptor and written together off the event loop, so that a line costs no system call and a
 * reader that is slow, stuck or gone never holds up mail.
 */
import { write, writeSync } from "node:fs";

/** Gathered before a write; a write follows also after {@link waitMs}. */
const gatheredLength = 65_536;
const waitMs = 200;
/** What may wait for a reader; further lines are dropped and counted. */
const waitingLengthMax = 16 * 1024 * 1024;
/** How long the end of the process waits for a reader that does not read. */
const lastWaitMs = 1000;
const pauseMs = 10;

export class GatheredOutput {
  readonly #descriptor: number;
  #lines: string[] = [];
  #length = 0;
  /** Being written; what is left of it after a short write goes out first. */
  #writing: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #broken = false;
  #dropped = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Lines lost because nobody read. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (this.#broken || this.#length + line.length > waitingLengthMax) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#length >= gatheredLength) this.#send();
    // The wait for more lines keeps no process alive.
    else this.#timer ??= setTimeout(() => this.#send(), waitMs).unref();
  }

  /** Writes what is left, for the end of the process. */
  flush(): void {
    clearTimeout(this.#timer);
    // A write under way is not ours to repeat; give it time to come first.
    if (this.#writing !== undefined) sleepSync(pauseMs);
    let rest = this.#take();
    for (let waitedMs = 0; rest.length > 0 && !this.#broken && waitedMs < lastWaitMs;) {
      try {
        rest = rest.subarray(writeSync(this.#descriptor, rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
        sleepSync(pauseMs);
        waitedMs += pauseMs;
      }
    }
  }

  #take(): Buffer {
    const gathered = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    this.#length = 0;
    return gathered;
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#broken) return;
    const bytes = this.#take();
    if (bytes.length > 0) this.#writeOut(bytes);
  }

  #writeOut(bytes: Buffer): void {
    this.#writing = bytes;
    write(this.#descriptor, bytes, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.#writeOut(bytes), pauseMs).unref();
        return;
      }
      if (error !== null) {
        // The reader has gone (`| head`): that is no reason to stop mail.
        this.#broken = true;
        this.#lines = [];
        this.#writing = undefined;
        return;
      }
      if (written < bytes.length) return this.#writeOut(bytes.subarray(written));
      this.#writing = undefined;
      if (this.#length > 0) this.#send();
    });
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
