/**
 * A thread for work on strangers' octets that takes longer than a turn of the event loop may. It begins with the first
 * piece of work and ends when there was none for a while; one piece runs at a time. Work that takes too much time or memory
 * ends the thread, and the next piece gets a new one: nothing that a stranger sends can hold up more than itself.
 */
import { parentPort, type Transferable, Worker } from "node:worker_threads";

export interface BackgroundThreadOptions {
  readonly name: string;
  /** Of one piece of work. */
  readonly limitMs: number;
  readonly heapMaxMiB: number;
  readonly idleMs: number;
}

/** The work, not the thread, is at fault. */
export class ThreadLimitError extends Error {
  override readonly name = "ThreadLimitError";
  readonly limit: "time" | "memory";

  constructor(limit: "time" | "memory") {
    super(`The work took too much ${limit}`);
    this.limit = limit;
  }
}

type Answer<Out> = { readonly result: Out } | { readonly failure: string };

export class BackgroundThread<In, Out> {
  readonly #root: URL;
  readonly #options: BackgroundThreadOptions;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** `root`: a module that calls {@link serveThread}. */
  constructor(root: URL, options: BackgroundThreadOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** `transfer`: memory that is handed over with `input`. Rejects with {@link ThreadLimitError}, or because of a bug. */
  run(input: In, transfer: readonly Transferable[] = []): Promise<Out> {
    const running = this.#turn.then(() => this.#run(input, transfer));
    this.#turn = running.catch(() => undefined);
    return running;
  }

  /** What is under way rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#worker?.terminate();
  }

  #run(input: In, transfer: readonly Transferable[]): Promise<Out> {
    if (this.#closed) return Promise.reject(new Error(`The thread ${this.#options.name} is closed`));
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#begin());
    return new Promise<Out>((resolve, reject) => {
      let limit: "time" | "memory" | undefined;
      let cause: unknown;
      const tooLong = setTimeout(() => {
        limit = "time";
        // "exit" tells when it is over.
        worker.terminate().catch(() => undefined);
      }, this.#options.limitMs);
      tooLong.unref();
      const over = (settle: () => void) => {
        clearTimeout(tooLong);
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        settle();
      };
      const onMessage = (answer: Answer<Out>) => {
        over(() => ("result" in answer ? resolve(answer.result) : reject(new Error(answer.failure))));
        this.#rest(worker);
      };
      // "exit" follows.
      const onError = (error: Error & { readonly code?: string }) => {
        cause = error;
        if (error.code === "ERR_WORKER_OUT_OF_MEMORY") limit = "memory";
      };
      const onExit = () => {
        if (this.#worker === worker) this.#worker = undefined;
        const ended = `The thread ${this.#options.name} ended`;
        over(() => reject(limit === undefined ? new Error(ended, { cause }) : new ThreadLimitError(limit)));
      };
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      worker.postMessage(input, transfer);
    });
  }

  #begin(): Worker {
    const worker = new Worker(this.#root, {
      name: this.#options.name,
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMaxMiB },
      // A program given by --eval says with this flag what it is written in; it must not be said of a file.
      ...(process.execArgv.some((flag) => flag.startsWith("--input-type")) && { execArgv: [] }),
    });
    // Between pieces of work nobody else hears of a fault; the next piece finds the thread gone.
    worker.on("error", () => undefined);
    worker.once("exit", () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    worker.unref();
    return worker;
  }

  #rest(worker: Worker): void {
    this.#idle = setTimeout(() => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      worker.terminate().catch(() => undefined);
    }, this.#options.idleMs);
    this.#idle.unref();
  }
}

/** The other side: answers each piece of work in its turn. */
export function serveThread<In, Out>(work: (input: In) => Out | Promise<Out>): void {
  const port = parentPort;
  if (port === null) throw new Error("This is a thread's root; the main thread starts it");
  const answerTo = async (input: In): Promise<Answer<Out>> => {
    try {
      return { result: await work(input) };
    } catch (error) {
      return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  port.on("message", (input: In) => {
    answerTo(input)
      .then((answer) => port.postMessage(answer))
      // A result that cannot be handed over.
      .catch((error: unknown) => port.postMessage({ failure: String(error) } satisfies Answer<Out>));
  });
}
