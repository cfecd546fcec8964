/**
 * The memory spool made durable by a journal over `Files`: every change is written there, with its time, before it is
 * made in memory, and a restart makes the same changes again. It serves the simulation, where the disk is simulated and
 * can be hurt; production has the SQLite spool. Both pass one contract suite.
 */
import type { HistoryEvent } from "../../events/history-event.ts";
import type { Instant } from "../../lib/instant.ts";
import type { Clock } from "../../ports/clock.ts";
import { FileError, type Files } from "../../ports/files.ts";
import type { CapturedChoice, CapturedMail } from "../../spool/captured-mail.ts";
import { Journal } from "./journal.ts";
import type { JournalFormat } from "./journal-format.ts";
import { MemorySpool, MemoryStore } from "./memory-spool.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimRequest,
  type ClaimTerms,
  type Content,
  type DelayWarning,
  type FoundRecipient,
  type GeneratedMessage,
  type MessageWriter,
  type NewMessage,
  type RecipientFilter,
  type RecordChange,
  type Settlement,
  type Spool,
  type SpoolStats,
  type StoredRecord,
  type OperatorVerb,
} from "../../spool/spool.ts";

export interface JournalSpoolOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly directory: string;
  /** The newest format of the journal that the program knows, and what it writes; default: the newest there is. */
  readonly knows?: JournalFormat;
}

type Change =
  | { readonly kind: "open" }
  | {
      readonly kind: "commit";
      readonly message: NewMessage;
      readonly claim?: ClaimTerms;
      readonly events: readonly HistoryEvent[];
      readonly records?: readonly RecordChange[];
    }
  | { readonly kind: "claim"; readonly request: ClaimRequest }
  | { readonly kind: "renew"; readonly tokens: readonly number[]; readonly leaseMs: number }
  | {
      readonly kind: "settle";
      readonly settlement: Omit<Settlement, "reports">;
      readonly reports: readonly NewMessage[];
    }
  | {
      readonly kind: "warn";
      readonly warning: Omit<DelayWarning, "reports">;
      readonly reports: readonly NewMessage[];
    }
  | {
      readonly kind: "verb";
      readonly verb: OperatorVerb;
      readonly filter: RecipientFilter;
      readonly by: string;
      readonly reason: string;
    }
  | {
      readonly kind: "records";
      readonly changes: readonly RecordChange[];
      readonly events?: readonly HistoryEvent[] | undefined;
    }
  | { readonly kind: "captured-delete"; readonly choice: CapturedChoice }
  | { readonly kind: "captured-trim"; readonly keep: number; readonly before: Instant }
  | { readonly kind: "prune"; readonly before: Instant; readonly limit: number };

interface Waiting {
  readonly now: Instant;
  readonly change: Change;
  /** Content of the message, or of each report. */
  readonly contents: readonly Uint8Array[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface JournalledChange {
  readonly now: Instant;
  readonly change: Change;
  readonly lengths: readonly number[];
}

export class JournalSpool implements Spool {
  readonly captured: CapturedMail;
  readonly #clock: Clock;
  readonly #memory: MemorySpool;
  /** Time as the change that is being made has it. */
  readonly #changeTime: { now: Instant };
  readonly #journal: Journal;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;

  private constructor(clock: Clock, changeTime: { now: Instant }, memory: MemorySpool, journal: Journal) {
    this.#clock = clock;
    this.#changeTime = changeTime;
    this.#memory = memory;
    this.#journal = journal;
    this.captured = {
      list: async (request) => await this.#now().captured.list(request),
      get: async (id) => await this.#now().captured.get(id),
      arrivalBefore: async (time) => await this.#now().captured.arrivalBefore(time),
      count: async () => await this.#now().captured.count(),
      delete: (choice) => this.#change<number>({ kind: "captured-delete", choice }),
      trim: (limits) => this.#change<number>({ kind: "captured-trim", ...limits }),
      watch: (listener) => memory.captured.watch(listener),
    };
  }

  /** Rejects with {@link SpoolError}: `newer-format` where a newer program wrote the journal, else `no-space` or `failed`. */
  static async open({ clock, files, directory, knows }: JournalSpoolOptions): Promise<JournalSpool> {
    const changeTime = { now: clock.now() };
    const replayClock = { ...unusedClock, now: () => changeTime.now };
    const store = new MemoryStore();
    let memory = new MemorySpool({ clock: replayClock, store });
    try {
      const replay = async (record: Buffer) => {
        const { now, change, contents } = decode(record);
        changeTime.now = now;
        // What claims a former process held goes back to the schedule where the next one began.
        if (change.kind === "open") memory = new MemorySpool({ clock: replayClock, store });
        // What failed then fails again, in the same way.
        else await apply(memory, change, contents).catch(() => undefined);
      };
      const journal = await Journal.open(files, directory, replay, knows);
      changeTime.now = clock.now();
      await journal.append([encode({ now: changeTime.now, change: { kind: "open" }, contents: [] })]);
      memory = new MemorySpool({ clock: replayClock, store });
      return new JournalSpool(clock, changeTime, memory, journal);
    } catch (error) {
      throw spoolError(error);
    }
  }

  begin(): MessageWriter {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let finished = false;
    const finish = async () => {
      finished = true;
    };
    return {
      get size() {
        return size;
      },
      append: (bytes) => {
        chunks.push(bytes);
        size += bytes.length;
        return undefined;
      },
      commit: async (message, options) => {
        if (finished) throw new SpoolError("failed", "The message is committed or aborted already");
        finished = true;
        const change: Change = { kind: "commit", message, ...options };
        return await this.#change<Awaited<ReturnType<MessageWriter["commit"]>>>(change, [Buffer.concat(chunks)]);
      },
      abort: finish,
      [Symbol.asyncDispose]: finish,
    };
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    const due = await this.#now().nextDue(request.excludeDomains);
    // Asked often and mostly in vain: that is not worth a record.
    if (due === undefined || due > this.#clock.now()) return [];
    return await this.#change<readonly ClaimedMessage[]>({ kind: "claim", request });
  }

  async renew(tokens: readonly number[], leaseMs: number): Promise<readonly number[]> {
    return await this.#change<readonly number[]>({ kind: "renew", tokens, leaseMs });
  }

  async settle({ reports, ...settlement }: Settlement): Promise<boolean> {
    const messages = reports.map(({ message }) => message);
    const contents = reports.map(({ content }) => content);
    return await this.#change<boolean>({ kind: "settle", settlement, reports: messages }, contents);
  }

  async warn({ reports, ...warning }: DelayWarning): Promise<boolean> {
    const messages = reports.map(({ message }) => message);
    const contents = reports.map(({ content }) => content);
    return await this.#change<boolean>({ kind: "warn", warning, reports: messages }, contents);
  }

  async hold(filter: RecipientFilter, by: string, reason: string): Promise<number> {
    return await this.#change<number>({ kind: "verb", verb: "hold", filter, by, reason });
  }

  async release(filter: RecipientFilter, by: string): Promise<number> {
    return await this.#change<number>({ kind: "verb", verb: "release", filter, by, reason: "" });
  }

  async retry(filter: RecipientFilter, by: string): Promise<number> {
    return await this.#change<number>({ kind: "verb", verb: "retry", filter, by, reason: "" });
  }

  async remove(filter: RecipientFilter, by: string): Promise<number> {
    return await this.#change<number>({ kind: "verb", verb: "remove", filter, by, reason: "" });
  }

  async changeRecords(changes: readonly RecordChange[], events?: readonly HistoryEvent[]): Promise<void> {
    await this.#change<undefined>({ kind: "records", changes, events });
  }

  async prune(before: Instant, limit: number): Promise<number> {
    return await this.#change<number>({ kind: "prune", before, limit });
  }

  async nextDue(excludeDomains: readonly string[]): Promise<Instant | undefined> {
    return await this.#now().nextDue(excludeDomains);
  }

  async openContent(message: QueueId): Promise<Content | undefined> {
    return await this.#now().openContent(message);
  }

  async find(...request: Parameters<Spool["find"]>): Promise<readonly FoundRecipient[]> {
    return await this.#now().find(...request);
  }

  async unwarned(...request: Parameters<Spool["unwarned"]>): Promise<readonly FoundRecipient[]> {
    return await this.#now().unwarned(...request);
  }

  async message(id: QueueId): ReturnType<Spool["message"]> {
    return await this.#now().message(id);
  }

  async events(message: QueueId): Promise<readonly HistoryEvent[]> {
    return await this.#now().events(message);
  }

  async stats(): Promise<SpoolStats> {
    return await this.#now().stats();
  }

  async getRecord(namespace: string, key: string): Promise<unknown> {
    return await this.#now().getRecord(namespace, key);
  }

  async listRecords(...request: Parameters<Spool["listRecords"]>): Promise<readonly StoredRecord[]> {
    return await this.#now().listRecords(...request);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#journal.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For questions: what is in memory is what is durable. */
  #now(): MemorySpool {
    if (this.#closed) throw new SpoolError("closed", "The spool is closed");
    this.#changeTime.now = this.#clock.now();
    return this.#memory;
  }

  #change<R>(change: Change, contents: readonly Uint8Array[] = []): Promise<R> {
    if (this.#closed) return Promise.reject(new SpoolError("closed", "The spool is closed"));
    return new Promise<R>((resolve, reject) => {
      const now = this.#clock.now();
      this.#waiting.push({ now, change, contents, resolve: resolve as (result: unknown) => void, reject });
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  /** What comes while one batch is written shares the next one's sync. */
  async #write(): Promise<void> {
    // What the same turn brings goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#journal.append(batch.map(encode));
      } catch (error) {
        for (const { reject } of batch) reject(spoolError(error));
        continue;
      }
      for (const { now, change, contents, resolve, reject } of batch) {
        this.#changeTime.now = now;
        // Made in this turn, one after the other, as a restart would make them.
        apply(this.#memory, change, contents).then(resolve, reject);
      }
    }
  }
}

function apply(memory: MemorySpool, change: Change, contents: readonly Uint8Array[]): Promise<unknown> {
  switch (change.kind) {
    case "open":
      return Promise.resolve();
    case "commit": {
      const writer = memory.begin();
      const { kind: _, message, ...options } = change;
      // It keeps content in memory, so there is nothing to wait for.
      for (const content of contents) writer.append(content)?.catch(() => undefined);
      return writer.commit(message, options);
    }
    case "claim":
      return memory.claim(change.request);
    case "renew":
      return memory.renew(change.tokens, change.leaseMs);
    case "settle":
      return memory.settle({ ...change.settlement, reports: reportsOf(change.reports, contents) });
    case "warn":
      return memory.warn({ ...change.warning, reports: reportsOf(change.reports, contents) });
    case "verb":
      return change.verb === "hold"
        ? memory.hold(change.filter, change.by, change.reason)
        : memory[change.verb](change.filter, change.by);
    case "records":
      return memory.changeRecords(change.changes, change.events);
    case "captured-delete":
      return memory.captured.delete(change.choice);
    case "captured-trim":
      return memory.captured.trim(change);
    case "prune":
      return memory.prune(change.before, change.limit);
    default:
      return change satisfies never;
  }
}

function reportsOf(messages: readonly NewMessage[], contents: readonly Uint8Array[]): readonly GeneratedMessage[] {
  return messages.map((message, index) => ({ message, content: contents[index] ?? Buffer.alloc(0) }));
}

/** Length of the JSON, the JSON, the contents. */
function encode({ now, change, contents }: Pick<Waiting, "now" | "change" | "contents">): Buffer {
  const lengths = contents.map(({ length }) => length);
  const json = Buffer.from(JSON.stringify({ now, change, lengths } satisfies JournalledChange));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, ...contents]);
}

function decode(record: Buffer): Pick<Waiting, "now" | "change" | "contents"> {
  const jsonEnd = 4 + record.readUInt32LE(0);
  const { now, change, lengths } = JSON.parse(record.toString("utf8", 4, jsonEnd)) as JournalledChange;
  let at = jsonEnd;
  const contents = lengths.map((length) => record.subarray(at, (at += length)));
  return { now, change, contents };
}

function spoolError(error: unknown): unknown {
  if (!(error instanceof FileError)) return error;
  return new SpoolError(error.code === "ENOSPC" ? "no-space" : "failed", error.message, { cause: error });
}

/** The memory spool asks only for the time of day. */
const unusedClock = {
  monotonicMs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  sleep: () => Promise.resolve(),
  timeout: () => new AbortController().signal,
} satisfies Omit<Clock, "now">;
