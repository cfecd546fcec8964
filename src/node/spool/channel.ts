/**
 * The main-thread end of one spool thread: gathers the operations of one turn of the event loop into a batch, keeps at
 * most two batches under way (one is being committed while the other, if there is enough for it, waits at the thread's
 * door; everything else gathers meanwhile), and hands out the answers.
 */
import { Worker } from "node:worker_threads";
import { SpoolError } from "../../spool/spool.ts";
import { type GatheredOperation, GatheredOperations } from "./gathered-operations.ts";
import type { Operation, ResultOf } from "./protocol.ts";
import type { Batch, SpoolCounts, SpoolThreadData, ThreadReply } from "./thread-messages.ts";

const batchesUnderWayMax = 2;
/**
 * Commits that are worth a batch beside the one under way. Fewer do better to wait for that one's end, and to share their
 * fsync with those that come meanwhile; so many keep disk and thread from ever waiting for us. Other work is worth none: a
 * commit that comes meanwhile would wait for it.
 */
const secondBatchMin = 16;

/**
 * Nobody waits for an outcome to be recorded as a client waits for its 250, so outcomes gather until there are so many or
 * the first has waited so long. Neighbouring rows then change in one transaction: fewer pages are written, and commits
 * wait for less. After a crash, at most what waited here is delivered a second time.
 */
const patientMax = 128;
const patienceMs = 10;

/** Of a buffer that carries contents: 64 messages of 4 KiB. */
const bufferBytesMin = 256 * 1024;

const noContent: readonly Uint8Array[] = [];

interface Waiting extends GatheredOperation {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: SpoolError) => void;
}

export type Opened = Extract<ThreadReply, { kind: "opened" }>;

export interface SpoolChannelOptions {
  /** Hears how many rows each batch wrote. */
  readonly onRowsChanged?: (rows: number) => void;
  /** Hears what the thread found damaged. */
  readonly onDamage?: (notes: readonly string[]) => void;
  /** The thread has ended or could not begin, and nobody asked it to: nothing that is sent will be done any more. */
  readonly onGone?: (error: SpoolError) => void;
}

export class SpoolChannel {
  /** Resolves when the thread has its database open; rejects where it refused. */
  readonly opened: Promise<Opened>;
  readonly #worker: Worker;
  readonly #onRowsChanged: (rows: number) => void;
  readonly #onDamage: (notes: readonly string[]) => void;
  readonly #buffers: ArrayBuffer[] = [];
  readonly #gathered = new GatheredOperations<Waiting>();
  #patient: Waiting[] = [];
  #patience: NodeJS.Timeout | undefined;
  readonly #underWay: (readonly Waiting[])[] = [];
  #flushSet = false;
  /** Why nothing more can be done. */
  #broken: SpoolError | undefined;
  #closing = false;
  #counts: SpoolCounts | undefined;
  readonly #ended: Promise<void>;

  constructor(data: SpoolThreadData, options: SpoolChannelOptions = {}) {
    this.#onRowsChanged = options.onRowsChanged ?? (() => {});
    this.#onDamage = options.onDamage ?? (() => {});
    // Unbuilt in a clone, JavaScript in the package: the thread's root has the same extension as this file.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
    this.#worker = new Worker(new URL(`./spool-thread${extension}`, import.meta.url), {
      workerData: data,
      // A program given by --eval says with this flag what it is written in; it must not be said of a file.
      ...(process.execArgv.some((flag) => flag.startsWith("--input-type")) && { execArgv: [] }),
      name: `spool-${data.role}`,
    });
    const opening = Promise.withResolvers<Opened>();
    this.opened = opening.promise;
    // Whoever sends hears of the failure; nobody need wait for `opened`.
    this.opened.catch(() => {});
    this.#worker.on("message", (reply: ThreadReply) => {
      switch (reply.kind) {
        case "opened":
          this.#counts = reply.counts;
          opening.resolve(reply);
          return;
        case "refused": {
          const refusal = new SpoolError(reply.code, reply.text);
          this.#break(refusal);
          opening.reject(refusal);
          options.onGone?.(refusal);
          return;
        }
        case "answers":
          this.#onAnswers(reply);
          return;
        case "closed":
          return;
        default:
          reply satisfies never;
      }
    });
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    const onEnd = (cause: unknown) => {
      const text = cause instanceof Error ? cause.message : "it ended";
      const unexpected = this.#broken === undefined;
      const gone = new SpoolError("failed", `The spool's ${data.role} thread has ended: ${text}`, { cause });
      this.#break(gone);
      if (unexpected) options.onGone?.(gone);
      opening.reject(this.#broken);
      ended.resolve();
    };
    this.#worker.on("error", onEnd);
    this.#worker.on("exit", onEnd);
  }

  /** As of the last answer; undefined before the first, and from a reader. */
  get counts(): SpoolCounts | undefined {
    return this.#counts;
  }

  /** `contents` are the octets that the operation names, in its order. The operation is answered after its commit. */
  send<O extends Operation>(operation: O, contents: readonly Uint8Array[] = noContent): Promise<ResultOf<O>> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise<ResultOf<O>>((resolve, reject) => {
      const waiting = { operation, contents, resolve: resolve as (result: unknown) => void, reject };
      if (operation.kind === "settle" && !this.#closing) {
        this.#gatherPatiently(waiting);
      } else {
        this.#gathered.add(waiting);
        this.#setFlush();
      }
    });
  }

  /** Finishes what was sent, then ends the thread. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#admitPatient();
    this.#flush();
    await this.#ended;
  }

  /** As a crash of the thread would: nothing is finished. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  #setFlush(): void {
    if (this.#flushSet || !this.#mayPost()) return;
    this.#flushSet = true;
    // After this turn's events: what they bring goes along.
    setImmediate(() => {
      this.#flushSet = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#gathered.isEmpty && this.#mayPost()) this.#post(this.#gathered.takeBatch());
    if (this.#closing && this.#gathered.isEmpty && this.#underWay.length === 0 && this.#broken === undefined) {
      this.#broken = new SpoolError("closed", "The spool is closed");
      this.#worker.postMessage("close");
    }
  }

  #mayPost(): boolean {
    const underWay = this.#underWay.length;
    return underWay === 0 || (underWay < batchesUnderWayMax && this.#gathered.commits >= secondBatchMin);
  }

  #gatherPatiently(waiting: Waiting): void {
    this.#patient.push(waiting);
    if (this.#patient.length >= patientMax) this.#admitPatient();
    else this.#patience ??= setTimeout(() => this.#admitPatient(), patienceMs);
  }

  #admitPatient(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (this.#patient.length === 0) return;
    for (const waiting of this.#patient) this.#gathered.add(waiting);
    this.#patient = [];
    this.#setFlush();
  }

  #post(waiting: readonly Waiting[]): void {
    let size = 0;
    for (const { contents } of waiting) for (const content of contents) size += content.length;
    const content = new Uint8Array(this.#takeBuffer(size));
    const offsets: number[] = [];
    let at = 0;
    for (const { contents } of waiting) {
      offsets.push(at);
      for (const bytes of contents) {
        content.set(bytes, at);
        at += bytes.length;
      }
    }
    const batch: Batch = { operations: waiting.map(({ operation }) => operation), content, offsets };
    this.#underWay.push(waiting);
    this.#worker.postMessage(batch, [content.buffer]);
  }

  /** Buffers go to the thread and come back with the answers: nothing is allocated, and nothing waits for a collection. */
  #takeBuffer(size: number): ArrayBuffer {
    const fitting = this.#buffers.findIndex(({ byteLength }) => byteLength >= size);
    const [buffer] = fitting === -1 ? [] : this.#buffers.splice(fitting, 1);
    return buffer ?? new ArrayBuffer(size === 0 ? 0 : Math.max(bufferBytesMin, size));
  }

  #onAnswers({
    results,
    failures,
    rowsChanged,
    counts,
    buffer,
    damage,
  }: Extract<ThreadReply, { kind: "answers" }>): void {
    const waiting = this.#underWay.shift() ?? [];
    if (counts !== undefined) this.#counts = counts;
    if (buffer !== undefined && buffer.byteLength > 0) {
      this.#buffers.push(buffer);
      // The smaller one goes: sizes settle at what the load needs.
      if (this.#buffers.length > batchesUnderWayMax) {
        this.#buffers.sort((a, b) => a.byteLength - b.byteLength).shift();
      }
    }
    this.#onRowsChanged(rowsChanged);
    if (damage !== undefined) this.#onDamage(damage);
    const failed = new Map(failures.map((failure) => [failure.index, failure]));
    for (const [index, { resolve, reject }] of waiting.entries()) {
      const failure = failed.size === 0 ? undefined : failed.get(index);
      if (failure === undefined) resolve(results[index]);
      else reject(new SpoolError(failure.code, failure.text));
    }
    if (this.#closing) this.#flush();
    else if (!this.#gathered.isEmpty) this.#setFlush();
  }

  #break(error: SpoolError): void {
    this.#broken ??= error;
    clearTimeout(this.#patience);
    const lost = [...this.#underWay.splice(0).flat(), ...this.#gathered.takeAll(), ...this.#patient.splice(0)];
    for (const { reject } of lost) reject(error);
  }
}
