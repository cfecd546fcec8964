/** The captured mail: listing, reading, deleting, and waiting for a message that is still to come. */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { Spool } from "../spool/spool.ts";
import { type CapturedMessage, capturedNamespace } from "../outbound/captured-message.ts";
import { type ReadableContent, readContent } from "./readable-content.ts";

export type InboxMessage = CapturedMessage & ReadableContent;

/** What a wait or a search looks for; every given part must be found, without regard to case. */
export interface InboxQuery {
  readonly to?: string;
  readonly from?: string;
  readonly subject?: string;
  /** Only messages newer than the one with this id. */
  readonly after?: string;
}

/** More waiting requests than this are turned away: each holds a connection open. */
const waitersMax = 1_000;

export class Inbox {
  readonly #spool: Spool;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #waiters = new Set<{ readonly query: InboxQuery; readonly found: (message: CapturedMessage) => void }>();

  constructor(
    dependencies: { readonly spool: Spool; readonly files: Files; readonly clock: Clock },
    settings: { readonly folder: string },
  ) {
    this.#spool = dependencies.spool;
    this.#files = dependencies.files;
    this.#clock = dependencies.clock;
    this.#folder = settings.folder;
  }

  /** Newest first. */
  async list(query: InboxQuery = {}): Promise<readonly CapturedMessage[]> {
    const messages: CapturedMessage[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await this.#spool.listRecords(capturedNamespace, {
        limit: 500,
        ...(after === undefined ? {} : { after }),
      });
      for (const { value } of page) messages.push(value as CapturedMessage);
      const last = page.at(-1);
      if (last === undefined || page.length < 500) break;
      after = last.key;
    }
    return messages.reverse().filter((message) => matches(message, query));
  }

  async get(id: string): Promise<InboxMessage | undefined> {
    const message = await this.#listing(id);
    const raw = message && (await this.raw(id));
    return message && raw ? { ...message, ...(await readContent(raw)) } : undefined;
  }

  /** The message as it would have gone out. */
  async raw(id: string): Promise<Uint8Array | undefined> {
    // The listing is asked first, so no id leads out of the folder.
    if ((await this.#listing(id)) === undefined) return undefined;
    return this.#files.readFile(`${this.#folder}/${id}.eml`);
  }

  async delete(id: string): Promise<boolean> {
    if ((await this.#listing(id)) === undefined) return false;
    await this.#spool.changeRecords([{ kind: "delete", namespace: capturedNamespace, key: id }]);
    await this.#files.remove(`${this.#folder}/${id}.eml`);
    return true;
  }

  /** Returns how many messages went. */
  async clear(): Promise<number> {
    const messages = await this.list();
    await this.#spool.changeRecords([{ kind: "clear", namespace: capturedNamespace }]);
    for (const { id } of messages) await this.#files.remove(`${this.#folder}/${id}.eml`);
    return messages.length;
  }

  /** The newest match, already there or arriving within `timeoutMs`; undefined when the time is over. */
  async wait(
    query: InboxQuery,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<InboxMessage | undefined> {
    if (this.#waiters.size >= waitersMax) throw new Error("too many requests wait for mail already");
    // Registered before the look, so that nothing slips in between.
    const { promise, resolve } = Promise.withResolvers<CapturedMessage | undefined>();
    const waiter = { query, found: resolve };
    this.#waiters.add(waiter);
    const timer = this.#clock.setTimer(timeoutMs, () => resolve(undefined));
    const abandon = () => resolve(undefined);
    signal?.addEventListener("abort", abandon, { once: true });
    try {
      const there = (await this.list(query))[0];
      const found = there ?? (await promise);
      return found === undefined ? undefined : await this.get(found.id);
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", abandon);
      this.#waiters.delete(waiter);
    }
  }

  /** Told by the capture agent once a message is durable. */
  captured(message: CapturedMessage): void {
    for (const { query, found } of this.#waiters) if (matches(message, query)) found(message);
  }

  async #listing(id: string): Promise<CapturedMessage | undefined> {
    return (await this.#spool.getRecord(capturedNamespace, id)) as CapturedMessage | undefined;
  }
}

function matches(message: CapturedMessage, query: InboxQuery): boolean {
  const has = (text: string, part: string | undefined) =>
    part === undefined || asciiLowerCase(text).includes(asciiLowerCase(part));
  return (
    has(message.to.join("\n"), query.to) &&
    has(message.from, query.from) &&
    has(message.subject, query.subject) &&
    (query.after === undefined || message.id > query.after)
  );
}
