/**
 * Requests that wait for captured mail. One reader follows the list for all of them: it is woken by the commits that list
 * something, and offers each new entry to each wait, in the order of arrival.
 */
import type { Clock } from "../ports/clock.ts";
import { compileFilter } from "../spool/captured-filter.ts";
import type { Arrival, CapturedEntry, CapturedFilter, CapturedMail, ListedEntry } from "../spool/captured-mail.ts";
import type { QueueId } from "../spool/queue-id.ts";

/** More waiting requests than this are turned away: each holds a connection open. */
const waitsMax = 1_000;
/** Entries that the follower reads at once. */
const pageSize = 200;
/** So many other messages are named when a wait was in vain. */
const othersMax = 20;

export type WaitOutcome =
  /** In the order of arrival. */
  | { readonly kind: "found"; readonly ids: readonly QueueId[] }
  | {
      readonly kind: "timed-out";
      /** Too few. */
      readonly matched: readonly CapturedEntry[];
      /** What arrived meanwhile and does not match: the last of them, and how many there were. */
      readonly others: readonly CapturedEntry[];
      readonly otherCount: number;
    }
  | { readonly kind: "busy" };

export interface WaitRequest {
  readonly filter: CapturedFilter;
  readonly after: Arrival;
  readonly count: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

class Wait {
  readonly #matches: (entry: CapturedEntry) => boolean;
  readonly #after: Arrival;
  readonly #count: number;
  readonly #ended = Promise.withResolvers<"enough" | "timeout">();
  /** Ids only, since an entry with its recipients may be large. */
  readonly #found = new Map<Arrival, QueueId>();
  others: QueueId[] = [];
  otherCount = 0;

  constructor({ filter, after, count }: WaitRequest) {
    this.#matches = compileFilter(filter);
    this.#after = after;
    this.#count = count;
    // It may fail before someone waits for it.
    this.#ended.promise.catch(() => undefined);
  }

  get ended(): Promise<"enough" | "timeout"> {
    return this.#ended.promise;
  }

  /** In the order of arrival. */
  get found(): readonly QueueId[] {
    return [...this.#found].toSorted(([a], [b]) => a - b).map(([, id]) => id);
  }

  offer({ arrival, entry }: ListedEntry): void {
    if (arrival <= this.#after || this.#found.size >= this.#count) return;
    if (!this.#matches(entry)) {
      this.otherCount++;
      this.others = [...this.others, entry.id].slice(-othersMax);
      return;
    }
    this.#found.set(arrival, entry.id);
    if (this.#found.size >= this.#count) this.#ended.resolve("enough");
  }

  giveUp(): void {
    this.#ended.resolve("timeout");
  }

  fail(error: unknown): void {
    this.#ended.reject(error);
  }
}

export class InboxWaits {
  readonly #captured: CapturedMail;
  readonly #clock: Clock;
  readonly #waits = new Set<Wait>();
  /** Up to where the list was offered; while someone waits. */
  #following: Promise<void> | undefined;
  #read: Arrival = 0;
  #isReading = false;
  #readAgain = false;
  #unwatch: (() => void) | undefined;

  constructor(parts: { readonly captured: CapturedMail; readonly clock: Clock }) {
    this.#captured = parts.captured;
    this.#clock = parts.clock;
  }

  async wait(request: WaitRequest): Promise<WaitOutcome> {
    if (this.#waits.size >= waitsMax) return { kind: "busy" };
    const { filter, after, count, timeoutMs, signal } = request;
    const wait = new Wait(request);
    // It hears of new mail before it looks for what is there, so that nothing slips in between.
    this.#waits.add(wait);
    const timer = this.#clock.setTimer(timeoutMs, () => wait.giveUp());
    const abandon = () => wait.giveUp();
    if (signal?.aborted) abandon();
    signal?.addEventListener("abort", abandon, { once: true });
    try {
      await (this.#following ??= this.#beginToFollow());
      const there = await this.#captured.list({ filter, after, limit: count, order: "newest first" });
      for (const listed of there) wait.offer(listed);
      if ((await wait.ended) === "enough") return { kind: "found", ids: wait.found };
      const { found, others, otherCount } = wait;
      const [matched, arrived] = [await this.#entriesOf(found), await this.#entriesOf(others)];
      return { kind: "timed-out", matched, others: arrived, otherCount };
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", abandon);
      this.#waits.delete(wait);
      if (this.#waits.size === 0) this.#stopFollowing();
    }
  }

  /** Without what was deleted since. */
  async #entriesOf(ids: readonly QueueId[]): Promise<readonly CapturedEntry[]> {
    const listed = await Promise.all(ids.map((id) => this.#captured.get(id)));
    return listed.flatMap((found) => (found === undefined ? [] : [found.entry]));
  }

  async #beginToFollow(): Promise<void> {
    this.#unwatch = this.#captured.watch(() => this.#follow());
    const [newest] = await this.#captured.list({ limit: 1, order: "newest first" });
    this.#read = newest?.arrival ?? 0;
  }

  #stopFollowing(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#following = undefined;
  }

  /** Reads what is new and offers it. A commit that comes meanwhile has it read on. */
  #follow(): void {
    this.#readAgain = true;
    if (this.#isReading) return;
    this.#isReading = true;
    this.#readOn()
      .catch((error: unknown) => {
        for (const wait of this.#waits) wait.fail(error);
      })
      .finally(() => {
        this.#isReading = false;
      });
  }

  async #readOn(): Promise<void> {
    await this.#following;
    while (this.#readAgain && this.#waits.size > 0) {
      this.#readAgain = false;
      const page = await this.#captured.list({ after: this.#read, limit: pageSize, order: "oldest first" });
      for (const listed of page) for (const wait of this.#waits) wait.offer(listed);
      this.#read = page.at(-1)?.arrival ?? this.#read;
      if (page.length === pageSize) this.#readAgain = true;
    }
  }
}
