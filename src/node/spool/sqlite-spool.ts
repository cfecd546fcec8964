/**
 * The spool of a real server: one SQLite file, written by one thread and searched by another, with large contents in
 * files beside it. `open-sqlite-spool.ts` opens it. This is the main thread's side: it turns the interface into operations, receives content, and keeps
 * what the first attempt will need in memory. docs/spool.md tells the format, the order of writes, and what each crash
 * point leaves.
 */
import type { HistoryEvent } from "../../events/history-event.ts";
import type { Instant } from "../../lib/instant.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import { retryDelayMs } from "../../spool/recipient-state.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimRequest,
  type Content,
  type DelayWarning,
  type FoundRecipient,
  type MessageWriter,
  type RecipientFilter,
  type RecordChange,
  type Settlement,
  type Spool,
  type SpoolStats,
  type StoredMessage,
  type StoredRecipient,
  type StoredRecord,
  type OperatorVerb,
} from "../../spool/spool.ts";
import type { CapturedMail } from "../../spool/captured-mail.ts";
import type { SpoolChannel } from "./channel.ts";
import { ContentCache } from "./content-cache.ts";
import { checkContentFiles, type ContentCheck } from "./content-check.ts";
import { asSpoolError, type ContentFiles, readChunks } from "./content-files.ts";
import { SqliteCaptured } from "./sqlite-captured.ts";
import { SqliteMessageWriter, type Draft } from "./message-writer.ts";
import type { ClosedMessage, ReadOperation, ResultOf, WriteOperation } from "./protocol.ts";
import {
  eventRows,
  foundRecipients,
  freshClaim,
  messageFromJson,
  messageRow,
  recipientFromRow,
  recordRow,
  settleOperation,
  storedMessage,
  warnOperation,
  wholeMs,
} from "./rows.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

const mebibyte = 1024 * 1024;
export interface SqliteSpoolOptions {
  /** The data directory; `spool.db` and `content/` are made in it. It exists, and no other process uses it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
  /** Content of fresh messages kept in memory. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** SQLite's own cache in the writing thread; the system's serves beyond it. Default 16 MiB. */
  readonly databaseCacheBytes?: number;
  /** Bound of the database file, contents over 256 KiB apart; a commit beyond fails with `no-space`. Default: none. */
  readonly databaseBytesMax?: number;
  /**
   * A thread of the spool has ended by itself. Whatever is asked of it fails from here on, so a server does best to end
   * too and to be started again: everything that it acknowledged is on the disk.
   */
  readonly onThreadGone?: (error: SpoolError) => void;
}

export interface SpoolThreads {
  readonly writer: SpoolChannel;
  readonly reader: SpoolChannel;
  readonly checkpointer: SpoolChannel;
}

export class SqliteSpool implements Spool {
  /** The check that follows opening; mail flows meanwhile. Never rejects. */
  readonly checked: Promise<ContentCheck>;
  readonly captured: CapturedMail;
  readonly #captured: SqliteCaptured;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #threads: SpoolThreads;
  readonly #contents: ContentFiles;
  readonly #giveSpaceBack: () => void;
  readonly #cache: ContentCache;
  readonly #closing = new AbortController();
  /** What nobody waits for, until `close` does. */
  readonly #chores = new Set<Promise<void>>();
  /** Commits of large content. */
  readonly #underWay = new Set<Promise<unknown>>();

  /** Made by `openSqliteSpool`. */
  constructor(
    options: SqliteSpoolOptions,
    threads: SpoolThreads,
    { contents, giveSpaceBack }: { readonly contents: ContentFiles; readonly giveSpaceBack: () => void },
  ) {
    this.#giveSpaceBack = giveSpaceBack;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#threads = threads;
    this.#contents = contents;
    this.#cache = new ContentCache(options.cacheBytes ?? 64 * mebibyte);
    this.#captured = new SqliteCaptured({
      now: () => this.#now(),
      read: (operation) => this.#read(operation),
      write: (operation) => this.#write(operation),
      closed: (message) => this.#forget(message),
      removeFile: (id) => this.#chore(options.files.remove(`${options.directory}/captured/${id}.eml`)),
    });
    this.captured = this.#captured;
    this.checked = checkContentFiles({
      contents,
      read: (operation) => this.#read(operation),
      hold: (id) => this.#holdDamaged(id),
      log: options.log,
      signal: this.#closing.signal,
    });
  }

  begin(): MessageWriter {
    return new SqliteMessageWriter({
      receiveFile: () => this.#contents.receive(),
      commit: (draft) => this.#commit(draft),
    });
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    const { limit, perDomainMax, excludeDomains, receivedBy, leaseMs, retryDelaysMs } = request;
    const now = this.#now();
    const terms = { leaseMs, retryDelaysMs };
    const limits = { limit, perDomainMax, excludeDomains, ...(receivedBy !== undefined && { receivedBy }) };
    const claims = await this.#write({ kind: "claim", now, ...limits, ...terms });
    return claims.map(({ json, token, recipients }) => {
      const message = messageFromJson(json);
      return {
        message,
        token,
        leaseEnd: wholeMs(now + leaseMs),
        recipients: recipients.map((row) => recipientFromRow(message.id, row)),
      };
    });
  }

  renew(tokens: readonly number[], leaseMs: number): Promise<readonly number[]> {
    return this.#write({ kind: "renew", now: this.#now(), tokens, leaseMs });
  }

  async settle(settlement: Settlement): Promise<boolean> {
    const { message: id, reports } = settlement;
    const result = await this.#write(
      settleOperation(settlement, this.#now()),
      reports.map(({ content }) => content),
    );
    if (result === "stale") return false;
    if (settlement.captured !== undefined) this.#captured.notify();
    this.#stored(reports);
    if (result !== "settled") this.#forget({ id, inFile: result === "closed-file" });
    return true;
  }

  async warn(warning: DelayWarning): Promise<boolean> {
    const contents = warning.reports.map(({ content }) => content);
    const isTold = await this.#write(warnOperation(warning, this.#now()), contents);
    if (isTold) this.#stored(warning.reports);
    return isTold;
  }

  nextDue(excludeDomains: readonly string[]): Promise<Instant | undefined> {
    return this.#write({ kind: "next-due", excludeDomains });
  }

  async openContent(message: QueueId): Promise<Content | undefined> {
    this.#check();
    const cached = this.#cache.get(message);
    if (cached !== undefined) return wholeContent(cached);
    const row = await this.#read({ kind: "content", id: message });
    if (row === undefined) return undefined;
    if (row.kind === "bytes") return wholeContent(row.bytes);
    const { size } = row;
    const file = (await this.#contents.isWhole(message, size)) ? await this.#contents.open(message) : undefined;
    if (file === undefined) {
      await this.#holdDamaged(message);
      return undefined;
    }
    return {
      size,
      chunks: () => readChunks(file, size),
      [Symbol.asyncDispose]: () => file.close(),
    };
  }

  hold(filter: RecipientFilter, by: string, reason: string): Promise<number> {
    return this.#changeMany("hold", filter, by, reason);
  }

  release(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany("release", filter, by);
  }

  retry(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany("retry", filter, by);
  }

  remove(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany("remove", filter, by);
  }

  async find(
    filter: RecipientFilter,
    page: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]> {
    return foundRecipients(await this.#read({ kind: "find", filter, limit: page.limit, after: page.after }));
  }

  async unwarned(
    receivedBy: Instant,
    {
      limit,
      after,
    }: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]> {
    return foundRecipients(await this.#read({ kind: "unwarned", receivedBy, limit, after }));
  }

  async message(
    id: QueueId,
  ): Promise<{ readonly message: StoredMessage; readonly recipients: readonly StoredRecipient[] } | undefined> {
    const found = await this.#read({ kind: "message", id });
    return (
      found && {
        message: messageFromJson(found.json),
        recipients: found.recipients.map((row) => recipientFromRow(id, row)),
      }
    );
  }

  async events(message: QueueId): Promise<readonly HistoryEvent[]> {
    const events = await this.#read({ kind: "events", message });
    return events.map((json) => JSON.parse(json) as HistoryEvent);
  }

  async stats(): Promise<SpoolStats> {
    this.#check();
    const counts = this.#threads.writer.counts;
    if (counts === undefined) return { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 };
    const { scheduled, claimed, held, oldestReceivedAt } = counts;
    const ageMs = oldestReceivedAt === undefined ? 0 : this.#clock.now() - oldestReceivedAt;
    return { scheduled, claimed, held, oldestSeconds: Math.max(0, Math.floor(ageMs / 1000)) };
  }

  async prune(before: Instant, limit: number): Promise<number> {
    const removed = await this.#write({ kind: "prune", before, limit });
    // The last step of a round.
    if (removed < limit) await this.#shrink();
    return removed;
  }

  async getRecord(namespace: string, key: string): Promise<unknown> {
    const json = await this.#read({ kind: "record", namespace, key, now: this.#clock.now() });
    return json === undefined ? undefined : (JSON.parse(json) as unknown);
  }

  async listRecords(
    namespace: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly StoredRecord[]> {
    const { limit, after } = page;
    const rows = await this.#read({ kind: "list-records", namespace, after, limit, now: this.#clock.now() });
    return rows.map(([key, json]) => ({ key, value: JSON.parse(json) as unknown }));
  }

  async changeRecords(changes: readonly RecordChange[], events: readonly HistoryEvent[] = []): Promise<void> {
    await this.#write({ kind: "records", changes: changes.map(recordRow), events: eventRows(events) });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#underWay, ...this.#chores, this.checked]);
    const { writer, reader, checkpointer } = this.#threads;
    // The writer last: the last connection to close leaves everything in the database and removes the log.
    await Promise.all([reader.close(), checkpointer.close()]);
    await writer.close();
    await Promise.all(this.#chores);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends the threads as a crash would; for tests of recovery. */
  async kill(): Promise<void> {
    await Promise.all(Object.values(this.#threads).map((thread: SpoolChannel) => thread.kill()));
    await this.checked;
  }

  #stored(reports: Settlement["reports"]): void {
    if (reports.some(({ message }) => message.recipients.some(({ captured }) => captured))) this.#captured.notify();
    for (const { message, content } of reports) this.#cache.set(message.id, content);
  }

  /** In steps, so that nobody waits for long. */
  async #shrink(): Promise<void> {
    if (!(await this.#write({ kind: "shrink" }))) return;
    while (await this.#write({ kind: "shrink" }));
    this.#giveSpaceBack();
  }

  #now(): Instant {
    return wholeMs(this.#clock.now());
  }

  #check(): void {
    if (this.#closing.signal.aborted) throw new SpoolError("closed", "The spool is closed");
  }

  async #write<O extends WriteOperation>(operation: O, contents?: readonly Uint8Array[]): Promise<ResultOf<O>> {
    this.#check();
    return this.#logged(operation, this.#threads.writer.send(operation, contents));
  }

  async #logged<T>(operation: WriteOperation, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const trouble = asSpoolError(error);
      if (trouble.code !== "closed") logTrouble(this.#log, `writing to the database (${operation.kind})`, trouble);
      throw error;
    }
  }

  async #read<O extends ReadOperation>(operation: O): Promise<ResultOf<O>> {
    this.#check();
    return this.#threads.reader.send(operation);
  }

  async #commit(draft: Draft): ReturnType<MessageWriter["commit"]> {
    const { given, options, chunks, file, size } = draft;
    const { claim, events, records = [] } = options;
    const { id, recipients } = given;
    this.#check();
    if (claim !== undefined) retryDelayMs(claim, 1);
    const message = storedMessage(given, size);
    const now = this.#now();
    const operation = {
      kind: "commit",
      now,
      message: messageRow(message, recipients, { inFile: file !== undefined, now }),
      events: eventRows(events),
      records: records.map(recordRow),
      claim,
    } as const;
    let token: number;
    if (file !== undefined) {
      const keeping = this.#contents.keep(file, id, () => this.#threads.writer.send(operation));
      // A close waits for it.
      this.#underWay.add(keeping);
      token = await this.#logged(operation, keeping).finally(() => this.#underWay.delete(keeping));
    } else {
      // A copy of its own: a slice would keep the buffer of a whole read from the network alive.
      const whole = Buffer.concat(chunks, size);
      token = await this.#write(operation, [whole]);
      this.#cache.set(id, whole);
    }
    if (operation.message.captured !== null) this.#captured.notify();
    return { message, claimed: claim && token !== 0 ? freshClaim(message, given, claim, token, now) : undefined };
  }

  async #changeMany(verb: OperatorVerb, filter: RecipientFilter, by: string, reason = ""): Promise<number> {
    let changed = 0;
    let cursor: number | undefined = 0;
    while (cursor !== undefined) {
      const now = this.#now();
      const step: ResultOf<Extract<WriteOperation, { kind: "verb" }>> = await this.#write({
        kind: "verb",
        verb,
        now,
        filter,
        by,
        reason,
        cursor,
      });
      for (const closed of step.closed) this.#forget(closed);
      changed += step.changed;
      cursor = step.cursor;
    }
    return changed;
  }

  /** Its last recipient is final, durably. A crash before the file is gone leaves an orphan for the next start. */
  #forget({ id, inFile }: ClosedMessage): void {
    this.#cache.delete(id);
    if (inFile) this.#chore(this.#contents.remove(id));
  }

  #chore(work: Promise<void>): void {
    const chore = work
      .catch((error: unknown) => logTrouble(this.#log, "tidying the spool", error))
      .finally(() => this.#chores.delete(chore));
    this.#chores.add(chore);
  }

  /** Returns how many recipients it held: none where they are all final by now. */
  async #holdDamaged(id: QueueId): Promise<number> {
    const reason = "the file with the content is missing or damaged";
    const held = await this.#changeMany("hold", { message: id, states: ["scheduled"] }, "spool", reason);
    if (held > 0) {
      this.#log.event("recipient-held", { message: id, from: undefined, recipient: undefined, by: "spool", reason });
    }
    return held;
  }
}

function wholeContent(whole: Uint8Array): Content {
  return {
    size: whole.length,
    whole,
    async *chunks() {
      yield whole;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
