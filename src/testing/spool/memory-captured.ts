/** The captured mail of a memory spool. */
import type { Instant } from "../../lib/instant.ts";
import type { Clock } from "../../ports/clock.ts";
import { compileFilter } from "../../spool/captured-filter.ts";
import type {
  Arrival,
  CapturedChoice,
  CapturedMail,
  CapturedPageRequest,
  ListedEntry,
} from "../../spool/captured-mail.ts";
import type { MemoryStore } from "./memory-store.ts";
import type { QueueId } from "../../spool/queue-id.ts";

export class MemoryCaptured implements CapturedMail {
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #check: () => void;

  /** `check` throws where the spool is closed. */
  constructor(parts: { readonly store: MemoryStore; readonly clock: Clock; readonly check: () => void }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#check = parts.check;
  }

  async list(request: CapturedPageRequest): Promise<readonly ListedEntry[]> {
    const { filter = {}, after = 0, before = Infinity } = request;
    const matches = compileFilter(filter);
    const entries = this.#all();
    if (request.order === "newest first") entries.reverse();
    const within = entries.filter(({ arrival }) => arrival > after && arrival < before);
    return within.filter(({ entry }) => matches(entry)).slice(0, request.limit);
  }

  async get(id: QueueId): Promise<ListedEntry | undefined> {
    this.#check();
    return this.#store.findCaptured(id);
  }

  async arrivalBefore(time: Instant): Promise<Arrival> {
    const before = this.#all().filter(({ entry }) => Date.parse(entry.received_at) < time);
    return before.at(-1)?.arrival ?? 0;
  }

  async count(): Promise<number> {
    this.#check();
    return this.#store.captured.size;
  }

  async delete({ id, filter = {} }: CapturedChoice): Promise<number> {
    const matches = compileFilter(filter);
    const chosen = this.#all().filter(({ entry }) => (id === undefined || entry.id === id) && matches(entry));
    this.#remove(chosen, true);
    return chosen.length;
  }

  async trim({ keep, before }: { readonly keep: number; readonly before: Instant }): Promise<number> {
    const all = this.#all();
    const excess = all.length - keep;
    const chosen = all.filter(({ entry }, place) => place < excess || Date.parse(entry.received_at) < before);
    this.#remove(chosen, false);
    return chosen.length;
  }

  watch(listener: () => void): () => void {
    // Each call counts for itself, even with the same function.
    const watcher = () => listener();
    this.#store.capturedWatchers.add(watcher);
    return () => this.#store.capturedWatchers.delete(watcher);
  }

  #all(): ListedEntry[] {
    this.#check();
    return [...this.#store.captured].map(([arrival, entry]) => ({ arrival, entry }));
  }

  #remove(chosen: readonly ListedEntry[], forget: boolean): void {
    const now = this.#clock.now();
    for (const listed of chosen) this.#store.removeCaptured(listed, now, forget);
  }
}
