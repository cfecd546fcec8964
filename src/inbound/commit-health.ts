/**
 * Whether the spool takes mail, as the last commits of sessions went: a spool that opens and delivers may refuse them all,
 * since the page that new rows go to is damaged, or the disk no longer writes. A probe (`/readyz`) reads it from here.
 */
import type { Clock } from "../ports/clock.ts";
import { type CommitOptions, type MessageWriter, type NewMessage, type Spool, SpoolError } from "../spool/spool.ts";

/**
 * After so long without another try nobody knows. A balancer that sent no more mail here sends some again then, and if that
 * is refused, too, it hears so for as long again.
 */
const knownForMs = 60_000;

export class CommitHealth implements Pick<Spool, "begin"> {
  readonly #spool: Pick<Spool, "begin">;
  readonly #clock: Clock;
  #refusedAt: number | undefined;

  constructor(spool: Pick<Spool, "begin">, clock: Clock) {
    this.#spool = spool;
    this.#clock = clock;
  }

  get takesMail(): boolean {
    return this.#refusedAt === undefined || this.#clock.monotonicMs() - this.#refusedAt >= knownForMs;
  }

  begin(): MessageWriter {
    return new WatchedWriter(this.#spool.begin(), (isCommitted) => {
      this.#refusedAt = isCommitted ? undefined : this.#clock.monotonicMs();
    });
  }
}

class WatchedWriter implements MessageWriter {
  readonly #writer: MessageWriter;
  readonly #note: (isCommitted: boolean) => void;

  constructor(writer: MessageWriter, note: (isCommitted: boolean) => void) {
    this.#writer = writer;
    this.#note = note;
  }

  get size(): number {
    return this.#writer.size;
  }

  append(bytes: Uint8Array): Promise<void> | undefined {
    return this.#writer.append(bytes);
  }

  async commit(message: NewMessage, options: CommitOptions): ReturnType<MessageWriter["commit"]> {
    try {
      const committed = await this.#writer.commit(message, options);
      this.#note(true);
      return committed;
    } catch (error) {
      // A spool that closes refuses because the server stops, which is known already.
      if (!(error instanceof SpoolError) || error.code !== "closed") this.#note(false);
      throw error;
    }
  }

  abort(): Promise<void> {
    return this.#writer.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }
}
