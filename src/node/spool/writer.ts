/**
 * The writing side of the SQLite spool, in a thread of its own: one batch of operations is one transaction, answered
 * after its fsync. An operation that fails does not spoil the others of its batch: the transaction is rolled back and
 * each operation gets one of its own. Nothing is ever kept in part.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CapturedRemoval } from "./captured-removal.ts";
import { SpoolClaims } from "./claims.ts";
import { SpoolDamage } from "./damage.ts";
import { failureOf, isDiskFailure, sqliteCorrupt, sqliteCode } from "./failure.ts";
import { ContentCursor, SpoolMessages } from "./messages.ts";
import type { Operation, WriteOperation } from "./protocol.ts";
import type { Batch, Failure, SpoolThreadData, StartCheck, ThreadReply } from "./thread-messages.ts";
import { Query } from "./query.ts";
import { quickCheck } from "./quick-check.ts";
import { SpoolSchedule } from "./schedule.ts";
import { migrate } from "./schema.ts";
import { SpoolUpkeep } from "./upkeep.ts";
import { SpoolVerbs } from "./verbs.ts";
import { SpoolWarnings } from "./warnings.ts";

/**
 * Pages in the write-ahead log (128 MiB) at which a commit copies them into the database itself: a thread of its own does
 * that much sooner, and this only bounds the log where that thread cannot.
 */
const ownCheckpointPages = 32_768;
/** The write-ahead log's file is cut back to this after a burst. */
const logFileBytesMax = 64 * 1024 * 1024;

/** How long a transaction waits for a checkpoint to let it begin: only a disk that stalls takes so long. */
const checkpointWaitMsMax = 30_000;

/** Rows beside one damaged page, each found by a transaction that is lost: two pages of some thirty, twice. */
const triesMax = 500;

type Answers = Extract<ThreadReply, { kind: "answers" }>;

export class SpoolWriter {
  readonly incarnation: number;
  /** Recipients whose claim an earlier process left. */
  readonly recovered: number;
  readonly check: StartCheck;
  readonly #database: DatabaseSync;
  readonly #damage = new SpoolDamage();
  readonly #messages: SpoolMessages;
  readonly #claims: SpoolClaims;
  readonly #verbs: SpoolVerbs;
  readonly #warnings: SpoolWarnings;
  readonly #upkeep: SpoolUpkeep;
  readonly #capturedRemoval: CapturedRemoval;
  readonly #totalChanges: Query<[number]>;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #changedBefore = 0;

  constructor(data: SpoolThreadData) {
    const database = new DatabaseSync(data.path, {
      timeout: checkpointWaitMsMax,
      enableForeignKeyConstraints: false,
      enableDoubleQuotedStringLiterals: false,
    });
    this.#database = database;
    try {
      migrate(database);
      database.exec(`
        PRAGMA cache_size = -${data.cacheKiB};
        PRAGMA wal_autocheckpoint = ${ownCheckpointPages};
        PRAGMA journal_size_limit = ${logFileBytesMax};
        PRAGMA temp_store = MEMORY;
      `);
      this.check = quickCheck(database, data.path, this.#damage);
      if (data.databaseBytesMax > 0) {
        database.exec(`PRAGMA max_page_count = ${Math.ceil(data.databaseBytesMax / 4096)}`);
      }
      database.exec("UPDATE state SET incarnation = incarnation + 1");
      this.incarnation = new Query<[number]>(database, "SELECT incarnation FROM state").get()?.[0] ?? 0;
      const schedule = new SpoolSchedule(database, this.#damage);
      this.#messages = new SpoolMessages(database, schedule);
      this.#claims = new SpoolClaims({
        database,
        messages: this.#messages,
        schedule,
        incarnation: this.incarnation,
        damage: this.#damage,
      });
      this.#warnings = new SpoolWarnings(database, this.#messages, this.#damage);
      this.#verbs = new SpoolVerbs(database, this.#messages, schedule, this.#damage);
      this.#upkeep = new SpoolUpkeep(database, this.#damage, this.#messages);
      this.#capturedRemoval = new CapturedRemoval(database, this.#messages);
      this.#totalChanges = new Query(database, "SELECT total_changes()");
      this.#begin = database.prepare("BEGIN IMMEDIATE");
      this.#commit = database.prepare("COMMIT");
      this.recovered = this.#recover(data.now);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  run(batch: Batch): Answers {
    const { operations, offsets, content } = batch;
    const failures: Failure[] = [];
    let results: unknown[];
    try {
      results = this.#transaction(() =>
        operations.map((operation, index) => this.#apply(operation, new ContentCursor(content, offsets[index] ?? 0))),
      );
    } catch (failure) {
      const isDamage = sqliteCode(failure) === sqliteCorrupt;
      for (const seq of this.#damage.takeUnprobed()) this.#claims.probe(seq);
      const hopeless = (operations.length === 1 && !isDamage) || isDiskFailure(failure);
      results = operations.map((operation, index) => {
        try {
          if (hopeless) throw failure;
          return this.#alone(() => this.#apply(operation, new ContentCursor(content, offsets[index] ?? 0)));
        } catch (error) {
          const bare = this.#settleBarely(operation, error);
          if (bare !== undefined) return bare;
          failures.push({ index, ...failureOf(error) });
          return undefined;
        }
      });
      if (isDiskFailure(failure)) this.#overwriteFailedCommit();
    }
    return { kind: "answers", results, failures, ...this.#facts() };
  }

  /** What is damaged, as far as it is known by now. */
  damage(): readonly string[] {
    return this.#damage.takeNotes();
  }

  counts(): Answers["counts"] {
    return this.#messages.spoolCounts();
  }

  close(): void {
    this.#database.close();
  }

  /** What goes along with every answer. It must not fail: what it tells about is committed. */
  #facts(): Pick<Answers, "rowsChanged" | "counts" | "damage"> {
    try {
      const changed = this.#totalChanges.get()?.[0] ?? 0;
      const rowsChanged = changed - this.#changedBefore;
      this.#changedBefore = changed;
      const damage = this.#damage.takeNotes();
      return { rowsChanged, counts: this.#messages.spoolCounts(), ...(damage.length > 0 && { damage }) };
    } catch {
      return { rowsChanged: 0, counts: undefined };
    }
  }

  /** In a transaction of its own; where it meets damage, again without what lies there. */
  #alone<T>(body: () => T): T {
    for (let tries = 1; ; tries++) {
      const { found } = this.#damage;
      try {
        return this.#transaction(body);
      } catch (error) {
        for (const seq of this.#damage.takeUnprobed()) this.#claims.probe(seq);
        const isLess = sqliteCode(error) === sqliteCorrupt && this.#damage.found > found;
        if (!isLess || tries >= triesMax) throw error;
      }
    }
  }

  /**
   * An outcome beside a damaged page: a longer row, or its message's end, may need that page. The bare states do not, and
   * spare a second delivery. undefined: that does not help either.
   */
  #settleBarely(operation: Operation, failure: unknown): unknown {
    if (operation.kind !== "settle" || sqliteCode(failure) !== sqliteCorrupt) return undefined;
    this.#damage.note(`of the outcomes of ${operation.message} only the bare states can be kept`);
    try {
      return this.#alone(() => this.#claims.settleBarely(operation));
    } catch {
      return undefined;
    }
  }

  #transaction<T>(body: () => T): T {
    this.#begin.run();
    try {
      const result = body();
      this.#messages.writeCounts();
      this.#commit.run();
      this.#messages.committed();
      return result;
    } catch (error) {
      // A full disk or a failed read has perhaps rolled back already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#messages.rolledBack();
      throw error;
    }
  }

  /**
   * A commit whose fsync failed was reported as failed, yet its frames may stand whole in the log, and a crash would
   * bring them back. The next commit, even the smallest, is written over them.
   */
  #overwriteFailedCommit(): void {
    try {
      // There and back: a value set to itself changes no page, and then nothing would be written.
      this.#transaction(() => {
        this.#database.exec("UPDATE state SET incarnation = incarnation + 1");
        this.#database.exec("UPDATE state SET incarnation = incarnation - 1");
      });
    } catch {
      // The disk still fails; the next operation tries again.
    }
  }

  #apply(given: Operation, content: ContentCursor): unknown {
    const operation = given as WriteOperation;
    switch (operation.kind) {
      case "commit": {
        const { claim, now, message } = operation;
        const fresh = claim && { ...claim, token: this.#claims.nextToken() };
        const claimed = this.#messages.insert(message, content, now, fresh);
        this.#messages.addEvents(operation.events);
        this.#upkeep.changeRecords(operation.records);
        return fresh !== undefined && claimed ? fresh.token : 0;
      }
      case "settle": {
        const result = this.#claims.settle(operation, content);
        if (result !== "stale") this.#upkeep.changeRecords(operation.records);
        return result;
      }
      case "warn":
        return this.#warnings.warn(operation, content);
      case "claim":
        return this.#claims.claim(operation);
      case "renew":
        return this.#claims.renew(operation.tokens, Math.ceil(operation.now + operation.leaseMs));
      case "next-due":
        return this.#claims.nextDue(operation.excludeDomains);
      case "verb":
        return this.#verbs.step(operation);
      case "prune":
        return this.#upkeep.prune(operation.before, operation.limit);
      case "shrink":
        return this.#upkeep.shrink();
      case "records":
        this.#upkeep.changeRecords(operation.changes);
        this.#messages.addEvents(operation.events);
        return undefined;
      case "delete-captured":
        return this.#capturedRemoval.delete(operation);
      case "trim-captured":
        return this.#capturedRemoval.trim(operation);
      default:
        return operation satisfies never;
    }
  }

  /** Nobody owns the claims that are there now. Their number is bounded by what an earlier process held in memory. */
  #recover(now: number): number {
    let recovered = 0;
    for (;;) {
      const returned = this.#alone(() => this.#claims.returnEnded(now, 1000, Infinity));
      if (returned === 0) return recovered;
      recovered += returned;
    }
  }
}
