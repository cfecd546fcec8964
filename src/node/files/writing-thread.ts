/** One thread that carries out orders to write, each with the octets that belong to it; and the other side, its root. */
import { MessageChannel, type MessagePort, parentPort, Worker } from "node:worker_threads";
import { FileError } from "../../ports/files.ts";

/** What is written; it may be read again from its start. */
export interface WritingContent {
  /** Roughly, in octets. */
  readonly size: number;
  chunks(): AsyncIterable<Uint8Array>;
}

/** Larger content goes piece by piece; smaller one is in memory already. */
const wholeBytesMax = 256 * 1024;
/** It holds a few pieces of content. */
const heapMaxMiB = 64;

interface Task<Order> {
  readonly order: Order;
  /** All that is written, or where it is asked for piece by piece. */
  readonly content: Uint8Array | MessagePort;
}

/** `again`: from its start. */
type Request = "again" | "next";
/** `failed`: the asking thread knows why. */
type Piece = { readonly bytes: Uint8Array } | "end" | "failed";
type Answer = { readonly failure?: { readonly code?: string; readonly message: string } };

export class WritingThread<Order> {
  readonly #worker: Worker;
  /** Answered in their order. */
  readonly #asked: Asked[] = [];
  #isOver = false;

  /** `root`: a module that calls {@link serveWriting}. */
  constructor(root: URL, name: string) {
    this.#worker = new Worker(root, {
      name,
      resourceLimits: { maxOldGenerationSizeMb: heapMaxMiB },
      // A program given by --eval says with this flag what it is written in; it must not be said of a file.
      ...(process.execArgv.some((flag) => flag.startsWith("--input-type")) && { execArgv: [] }),
    });
    this.#worker.on("message", (answer: Answer) => this.#answered(answer));
    this.#worker.on("error", (error) => this.#over(error as Error));
    this.#worker.once("exit", () => this.#over(new Error(`A thread of ${name} ended`)));
    this.#worker.unref();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Rejects with {@link FileError}, with what reading the content throws, or because of a bug. */
  async run(order: Order, content: WritingContent): Promise<void> {
    if (content.size <= wholeBytesMax) {
      const bytes = await gathered(content);
      return this.#ask({ order, content: bytes }, [bytes.buffer]);
    }
    const { port1, port2 } = new MessageChannel();
    const feed = new ContentFeed(port1, content);
    try {
      await this.#ask({ order, content: port2 }, [port2]);
    } catch (error) {
      throw feed.failure ?? error;
    } finally {
      await feed.close();
    }
  }

  /** What is under way rejects. A call that hangs in the system ends when the system lets it. */
  end(): void {
    // It ends when the system lets it, and nobody waits for that.
    this.#worker.terminate().catch(() => undefined);
  }

  #ask(task: Task<Order>, transfer: readonly (ArrayBuffer | MessagePort)[]): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.#isOver) return reject(new Error("The thread has ended"));
      if (this.#asked.length === 0) this.#worker.ref();
      this.#asked.push({ resolve, reject });
      this.#worker.postMessage(task, transfer);
    });
  }

  #answered({ failure }: Answer): void {
    const asked = this.#asked.shift();
    if (this.#asked.length === 0) this.#worker.unref();
    if (failure === undefined) asked?.resolve();
    else if (failure.code === undefined) asked?.reject(new Error(failure.message));
    else asked?.reject(new FileError(failure.code, failure.message));
  }

  #over(error: Error): void {
    this.#isOver = true;
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }
}

interface Asked {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The octets in memory of their own, which can be handed over. */
async function gathered(content: WritingContent): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Reads large content as the thread asks for it. */
class ContentFeed {
  failure: unknown;
  readonly #port: MessagePort;
  readonly #content: WritingContent;
  #chunks: AsyncIterator<Uint8Array> | undefined;

  constructor(port: MessagePort, content: WritingContent) {
    this.#port = port;
    this.#content = content;
    port.on("message", (request: Request) => {
      this.#piece(request)
        .then((piece) => port.postMessage(piece))
        .catch((error: unknown) => (this.failure = error));
    });
  }

  async close(): Promise<void> {
    this.#port.close();
    await this.#chunks?.return?.();
  }

  async #piece(request: Request): Promise<Piece> {
    try {
      if (request === "again") {
        await this.#chunks?.return?.();
        this.#chunks = this.#content.chunks()[Symbol.asyncIterator]();
      }
      const next = await this.#chunks?.next();
      return next === undefined || next.done === true ? "end" : { bytes: next.value };
    } catch (error) {
      this.failure = error;
      return "failed";
    }
  }
}

/** The other side: carries out each order in its turn. */
export function serveWriting<Order>(
  carryOut: (order: Order, content: Pick<WritingContent, "chunks">) => Promise<void>,
): void {
  const port = parentPort;
  if (port === null) throw new Error("This is a thread's root; the main thread starts it");
  const answerTo = async ({ order, content }: Task<Order>): Promise<Answer> => {
    try {
      await carryOut(order, { chunks: () => (content instanceof Uint8Array ? whole(content) : pieces(content)) });
      return {};
    } catch (error) {
      const { message } = error as Error;
      return { failure: error instanceof FileError ? { code: error.code, message } : { message } };
    } finally {
      if (!(content instanceof Uint8Array)) content.close();
    }
  };
  let turn = Promise.resolve();
  port.on("message", (task: Task<Order>) => {
    turn = turn.then(async () => port.postMessage(await answerTo(task)));
  });
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* pieces(port: MessagePort): AsyncGenerator<Uint8Array> {
  for (let request: Request = "again"; ; request = "next") {
    const answered = new Promise<Piece>((resolve) => port.once("message", resolve));
    port.postMessage(request);
    const piece = await answered;
    if (piece === "failed") throw new Error("the content cannot be read");
    if (piece === "end") return;
    yield piece.bytes;
  }
}
