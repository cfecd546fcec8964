/** The captured mail as people and tests see it: pages of the list, whole messages, deleting, and waiting. */
import { forwardedForm } from "../queue/deliveries.ts";
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { Arrival, CapturedEntry, CapturedFilter } from "../spool/captured-mail.ts";
import { parseQueueId, timeOfQueueId } from "../spool/queue-id.ts";
import type { Content, Spool } from "../spool/spool.ts";
import { InboxWaits, type WaitOutcome } from "./inbox-waits.ts";
import { type MessageReading, readingInThisThread } from "./message-reading.ts";
import type { MessageAttachment } from "./parsed-message.ts";
import type { ReadableContent } from "./readable-content.ts";

/** A row of the list. */
export type InboxListing = Pick<CapturedEntry, "id" | "from" | "to" | "subject" | "received_at" | "size" | "junk">;
export interface InboxMessage extends InboxListing, ReadableContent {
  /** What the client said in MAIL and RCPT, whatever the header says. */
  readonly envelope: Pick<InboxListing, "from" | "to">;
}

/** A place in the list: the id of a message, or what a page gave as `next`. */
export type InboxCursor = string;

export interface InboxRange {
  readonly after?: InboxCursor;
  readonly before?: InboxCursor;
}

export interface InboxPage {
  readonly messages: readonly InboxListing[];
  /** Gives the next page as `before`; null: this is the last. */
  readonly next: InboxCursor | null;
  /** Messages in the inbox, whatever the filter. */
  readonly total: number;
}

export interface InboxWait {
  readonly filter: CapturedFilter;
  readonly after?: InboxCursor;
  readonly count: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export class CursorError extends Error {
  override readonly name = "CursorError";
}

export class Inbox {
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #files: Files;
  readonly #folder: string;
  readonly #waits: InboxWaits;
  readonly #reading: MessageReading;
  readonly #deleted: () => void;

  constructor(
    parts: {
      readonly spool: Spool;
      readonly files: Files;
      readonly clock: Clock;
      /** Absent: messages are taken apart in this thread. */
      readonly reading?: MessageReading;
    },
    /** `folder`: where format 1 of the spool kept captured mail. `deleted`: the history of some message may go. */
    options: { readonly folder: string; readonly deleted?: () => void },
  ) {
    this.#spool = parts.spool;
    this.#clock = parts.clock;
    this.#files = parts.files;
    this.#folder = options.folder;
    this.#reading = parts.reading ?? readingInThisThread;
    this.#deleted = options.deleted ?? (() => undefined);
    this.#waits = new InboxWaits({ captured: parts.spool.captured, clock: parts.clock });
  }

  /** Newest first. Throws {@link CursorError}. */
  async list(filter: CapturedFilter, range: InboxRange, limit: number): Promise<InboxPage> {
    const { captured } = this.#spool;
    const bounds = {
      ...(range.after !== undefined && { after: await this.#arrivalOf(range.after, "after") }),
      ...(range.before !== undefined && { before: await this.#arrivalOf(range.before, "before") }),
    };
    // One more than asked for tells whether there is another page.
    const found = await captured.list({ filter, order: "newest first", limit: limit + 1, ...bounds });
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      messages: shown.map(({ entry }) => listingOf(entry)),
      next: found.length > limit && last !== undefined ? cursorOf(last.arrival) : null,
      total: await captured.count(),
    };
  }

  async get(id: string): Promise<InboxMessage | undefined> {
    const found = await this.#spool.captured.get(id);
    const raw = found && (await this.#rawOf(found.entry));
    if (!found || !raw) return undefined;
    const { from, to } = found.entry;
    return { ...listingOf(found.entry), envelope: { from, to }, ...(await this.#reading.read(raw)) };
  }

  /** Number `index` of what the message lists. */
  async attachment(id: string, index: number): Promise<MessageAttachment | undefined> {
    const raw = await this.raw(id);
    return raw && (await this.#reading.attachment(raw, index));
  }

  /** The message as it would have gone out. */
  async raw(id: string): Promise<Uint8Array | undefined> {
    const found = await this.#spool.captured.get(id);
    return found && (await this.#rawOf(found.entry));
  }

  /** What is deleted never comes back, even where the queue still works on it. */
  async delete(choice: { readonly id?: string; readonly filter?: CapturedFilter }): Promise<number> {
    const count = await this.#spool.captured.delete(choice);
    if (count > 0) this.#deleted();
    return count;
  }

  /** For measuring a wait; no time of day. */
  now(): number {
    return this.#clock.monotonicMs();
  }

  /** Throws {@link CursorError}. */
  async wait({ after, ...wanted }: InboxWait): Promise<WaitOutcome> {
    const from = after === undefined ? 0 : await this.#arrivalOf(after, "after");
    return await this.#waits.wait({ ...wanted, after: from });
  }

  async #arrivalOf(cursor: InboxCursor, parameter: string): Promise<Arrival> {
    const number = /^n(\d{1,15})$/.exec(cursor)?.[1];
    if (number !== undefined) return Number(number);
    const found = await this.#spool.captured.get(cursor);
    if (found !== undefined) return found.arrival;
    const id = parseQueueId(cursor);
    if (id === undefined) throw new CursorError(`${parameter} takes the id of a message, or the next of a page`);
    // Deleted since: what arrived after it arrived after its id was made.
    return await this.#spool.captured.arrivalBefore(timeOfQueueId(id));
  }

  async #rawOf(entry: CapturedEntry): Promise<Uint8Array | undefined> {
    if (entry.in_folder) return await this.#files.readFile(`${this.#folder}/${entry.id}.eml`);
    const stored = (await this.#spool.message(entry.id))?.message;
    if (stored === undefined) return undefined;
    await using content = await this.#spool.openContent(entry.id);
    if (content === undefined) return undefined;
    const { headerBlock } = entry.forwarded ? forwardedForm(stored) : stored;
    return await wholeOf(headerBlock, content);
  }
}

export function listingOf({ id, from, to, subject, received_at, size, junk }: CapturedEntry): InboxListing {
  return { id, from, to, subject, received_at, size, ...(junk !== undefined && { junk }) };
}

function cursorOf(arrival: Arrival): InboxCursor {
  return `n${arrival}`;
}

async function wholeOf(top: string, content: Content): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [Buffer.from(top)];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
