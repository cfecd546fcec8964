/** The spool of one life as the simulation sees it: passes everything on, counts what is asked, and notes claims. */
import type { CapturedMail } from "../../src/spool/captured-mail.ts";
import type { ClaimedMessage, ClaimRequest, MessageWriter, Spool } from "../../src/spool/spool.ts";

export interface SpoolWatcher {
  /** The schedule gave these out; `from`: when it was asked for them. */
  readonly claimed: (page: readonly ClaimedMessage[], from: number) => void;
  /** Recipients that were claimed when it was closed. */
  readonly closing: (claimed: number) => void;
  /** Whether the content of the message is missing on the disk. */
  readonly isContentLost: (message: string) => boolean;
  /** Every call goes through here, and may be made to wait. */
  readonly through: <T>(call: () => Promise<T>) => Promise<T>;
}

export class WatchedSpool implements Spool {
  /** Renewals and claims. */
  calls = 0;
  readonly #now: () => number;
  readonly #watcher: SpoolWatcher;
  readonly #begin: () => MessageWriter;
  readonly #captured: () => CapturedMail;
  /** The only way to the rest of the spool: no call can be made past the watcher. Time would go on while its answer comes. */
  readonly #ask: <T>(call: (spool: Spool) => Promise<T>) => Promise<T>;
  #closing = false;

  constructor(spool: Spool, now: () => number, watcher: SpoolWatcher) {
    this.#now = now;
    this.#watcher = watcher;
    this.#begin = () => spool.begin();
    this.#captured = () => spool.captured;
    this.#ask = (call) => watcher.through(() => call(spool));
  }

  get captured(): CapturedMail {
    const captured = this.#captured();
    return {
      list: (request) => this.#through(() => captured.list(request)),
      get: (id) => this.#through(() => captured.get(id)),
      arrivalBefore: (time) => this.#through(() => captured.arrivalBefore(time)),
      count: () => this.#through(() => captured.count()),
      delete: (choice) => this.#through(() => captured.delete(choice)),
      trim: (limits) => this.#through(() => captured.trim(limits)),
      watch: (listener) => captured.watch(listener),
    };
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    this.calls++;
    const from = this.#now();
    const page = await this.#ask((spool) => spool.claim(request));
    this.#watcher.claimed(page, from);
    return page;
  }

  renew(...given: Parameters<Spool["renew"]>): ReturnType<Spool["renew"]> {
    this.calls++;
    return this.#ask((spool) => spool.renew(...given));
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#watcher.closing((await this.find({ states: ["claimed"] }, { limit: 100_000 })).length);
    }
    await this.#ask((spool) => spool.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #through<T>(call: () => Promise<T>): Promise<T> {
    return this.#watcher.through(call);
  }

  begin(): MessageWriter {
    const writer = this.#begin();
    return {
      append: (bytes) => {
        const full = writer.append(bytes);
        return full && this.#through(() => full);
      },
      get size() {
        return writer.size;
      },
      commit: (...given) => this.#through(() => writer.commit(...given)),
      abort: () => this.#through(() => writer.abort()),
      [Symbol.asyncDispose]: () => this.#through(async () => await writer[Symbol.asyncDispose]()),
    };
  }

  settle(...given: Parameters<Spool["settle"]>): ReturnType<Spool["settle"]> {
    return this.#ask((spool) => spool.settle(...given));
  }

  unwarned(...given: Parameters<Spool["unwarned"]>): ReturnType<Spool["unwarned"]> {
    return this.#ask((spool) => spool.unwarned(...given));
  }

  warn(...given: Parameters<Spool["warn"]>): ReturnType<Spool["warn"]> {
    return this.#ask((spool) => spool.warn(...given));
  }

  nextDue(...given: Parameters<Spool["nextDue"]>): ReturnType<Spool["nextDue"]> {
    return this.#ask((spool) => spool.nextDue(...given));
  }

  openContent(...given: Parameters<Spool["openContent"]>): ReturnType<Spool["openContent"]> {
    const [message] = given;
    if (this.#watcher.isContentLost(message)) return this.#ask(() => Promise.resolve(undefined));
    return this.#ask((spool) => spool.openContent(...given));
  }

  hold(...given: Parameters<Spool["hold"]>): ReturnType<Spool["hold"]> {
    return this.#ask((spool) => spool.hold(...given));
  }

  release(...given: Parameters<Spool["release"]>): ReturnType<Spool["release"]> {
    return this.#ask((spool) => spool.release(...given));
  }

  retry(...given: Parameters<Spool["retry"]>): ReturnType<Spool["retry"]> {
    return this.#ask((spool) => spool.retry(...given));
  }

  remove(...given: Parameters<Spool["remove"]>): ReturnType<Spool["remove"]> {
    return this.#ask((spool) => spool.remove(...given));
  }

  find(...given: Parameters<Spool["find"]>): ReturnType<Spool["find"]> {
    return this.#ask((spool) => spool.find(...given));
  }

  message(...given: Parameters<Spool["message"]>): ReturnType<Spool["message"]> {
    return this.#ask((spool) => spool.message(...given));
  }

  events(...given: Parameters<Spool["events"]>): ReturnType<Spool["events"]> {
    return this.#ask((spool) => spool.events(...given));
  }

  stats(): ReturnType<Spool["stats"]> {
    return this.#ask((spool) => spool.stats());
  }

  prune(...given: Parameters<Spool["prune"]>): ReturnType<Spool["prune"]> {
    return this.#ask((spool) => spool.prune(...given));
  }

  getRecord(...given: Parameters<Spool["getRecord"]>): ReturnType<Spool["getRecord"]> {
    return this.#ask((spool) => spool.getRecord(...given));
  }

  listRecords(...given: Parameters<Spool["listRecords"]>): ReturnType<Spool["listRecords"]> {
    return this.#ask((spool) => spool.listRecords(...given));
  }

  changeRecords(...given: Parameters<Spool["changeRecords"]>): ReturnType<Spool["changeRecords"]> {
    return this.#ask((spool) => spool.changeRecords(...given));
  }
}
