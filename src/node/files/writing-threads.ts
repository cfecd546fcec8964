/**
 * Threads that write for several places, each of which may hang: one place holds one thread at most, and the others go on
 * in the rest. The next order of a place waits in its thread already, which need not wait for this one between two. A thread begins when there is work for it, and ends when there was none for a while.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { WritingThread, type WritingContent } from "./writing-thread.ts";

const idleMs = 60_000;
/** Of one place; what is above waits here, where its content takes no memory. */
const ordersMax = 2;

export interface WritingThreadsOptions {
  readonly clock: Clock;
  /** A module that calls `serveWriting`. */
  readonly root: URL;
  readonly name: string;
  readonly threadsMax: number;
}

interface Job<Order> {
  readonly place: string;
  readonly order: Order;
  readonly content: WritingContent;
  readonly settle: (error: Error | undefined) => void;
}

interface Idle<Order> {
  readonly thread: WritingThread<Order>;
  readonly timer: Timer;
}

interface Busy<Order> {
  readonly thread: WritingThread<Order>;
  orders: number;
}

export class WritingThreads<Order> {
  readonly #options: WritingThreadsOptions;
  /** In the order in which they came. */
  readonly #waiting: Job<Order>[] = [];
  readonly #idle: Idle<Order>[] = [];
  /** By place. */
  readonly #busy = new Map<string, Busy<Order>>();
  #closed = false;

  constructor(options: WritingThreadsOptions) {
    this.#options = options;
  }

  /** Resolves when the order is carried out. Orders of one place are carried out one after the other. */
  run(place: string, order: Order, content: WritingContent): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.#closed) return reject(this.#closedError());
      const settle = (error: Error | undefined) => (error === undefined ? resolve() : reject(error));
      this.#waiting.push({ place, order, content, settle });
      this.#next();
    });
  }

  /** What is under way, or waits, rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { settle } of this.#waiting.splice(0)) settle(this.#closedError());
    for (const { thread, timer } of this.#idle.splice(0)) {
      timer.cancel();
      thread.end();
    }
    for (const { thread } of this.#busy.values()) thread.end();
  }

  #next(): void {
    for (let at = 0; at < this.#waiting.length;) {
      const job = this.#waiting[at];
      if (job === undefined) return;
      const busy = this.#busy.get(job.place) ?? this.#free(job.place);
      if (busy === undefined || busy.orders >= ordersMax) {
        at++;
        continue;
      }
      this.#waiting.splice(at, 1);
      busy.orders++;
      this.#carryOut(busy, job).catch(job.settle);
    }
  }

  #free(place: string): Busy<Order> | undefined {
    if (this.#busy.size >= this.#options.threadsMax) return undefined;
    const busy = { thread: this.#take(), orders: 0 };
    this.#busy.set(place, busy);
    return busy;
  }

  async #carryOut(busy: Busy<Order>, { place, order, content, settle }: Job<Order>): Promise<void> {
    const { thread } = busy;
    let failure: Error | undefined;
    try {
      await thread.run(order, content);
    } catch (error) {
      failure = error as Error;
    }
    if (--busy.orders === 0) {
      this.#busy.delete(place);
      if (this.#closed || thread.isOver) thread.end();
      else this.#rest(thread);
    }
    settle(failure);
    this.#next();
  }

  /** The one that worked last, so that the others can end. */
  #take(): WritingThread<Order> {
    const idle = this.#idle.pop();
    idle?.timer.cancel();
    if (idle !== undefined && !idle.thread.isOver) return idle.thread;
    return new WritingThread(this.#options.root, this.#options.name);
  }

  #rest(thread: WritingThread<Order>): void {
    const timer = this.#options.clock.setTimer(idleMs, () => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.thread === thread),
        1,
      );
      thread.end();
    });
    this.#idle.push({ thread, timer });
  }

  #closedError(): Error {
    return new Error(`The threads of ${this.#options.name} are closed`);
  }
}
