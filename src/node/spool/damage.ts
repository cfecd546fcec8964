/**
 * What the writer of a SQLite spool has found damaged and leaves out: recipients whose row, or whose message's, cannot be
 * read, and domains whose part of the index cannot. Everything else goes on; `posthaste spool check` tells all of it.
 *
 * SQLite lets no transaction go on that has met a damaged page. So whoever reads or changes rows says here whose they are;
 * the transaction is lost, what it met is left out, and it is made again.
 */
import { sqliteCorrupt, sqliteCode } from "./failure.ts";

/** A page holds some thirty recipients: three thousand damaged pages. More damage than that is no spool to go on with. */
const leftOutMax = 100_000;
/** After so many the log needs no more lines. */
const notesMax = 100;

export class SpoolDamage {
  readonly #recipients = new Set<number>();
  readonly #shortened = new Set<number>();
  readonly #messages = new Set<number>();
  readonly #domains = new Set<string>();
  readonly #partial = new Map<number, readonly boolean[]>();
  readonly #unprobed = new Set<number>();
  #found = 0;
  #notes: string[] = [];
  #notesMade = 0;

  /** How many recipients are left out: by so many more rows a claim has to look further. */
  get recipients(): number {
    return this.#recipients.size;
  }

  /** Rises with all that is left out: a transaction that met damage is made again without it. */
  get found(): number {
    return this.#found;
  }

  has(key: number): boolean {
    return this.#recipients.has(key);
  }

  hasDomain(domain: string): boolean {
    return this.#domains.has(domain);
  }

  /** The message is not closed, and its history not removed. */
  hasMessage(seq: number): boolean {
    return this.#messages.has(seq);
  }

  /** A row that grows may need its neighbours: this one is written without its text. */
  isShortened(key: number): boolean {
    return this.#shortened.has(key);
  }

  /** Of which recipients of the message the row can be read; undefined: no damage is known of it. */
  readableOf(seq: number): readonly boolean[] | undefined {
    return this.#partial.get(seq);
  }

  setReadable(seq: number, readable: readonly boolean[]): void {
    if (this.#partial.size >= leftOutMax) return;
    this.#partial.set(seq, readable);
    this.#found++;
    for (const [index, isReadable] of readable.entries()) if (!isReadable) this.leaveOut(seq * 65_536 + index);
  }

  /** Messages whose rows are to be looked at one by one, now that no transaction is open. */
  takeUnprobed(): readonly number[] {
    const unprobed = [...this.#unprobed];
    this.#unprobed.clear();
    return unprobed;
  }

  /** Reads rows of the recipients of one message. */
  read<T>(seq: number, read: () => T): T {
    return blame(read, () => this.#unprobed.add(seq));
  }

  /** Reads the message that these recipients are of. */
  readMessage<T>(keys: readonly number[], read: () => T): T {
    return blame(read, () => {
      for (const key of keys) this.leaveOut(key);
    });
  }

  /** Reads what waits for a domain. */
  readDomain<T>(domain: string, read: () => T): T {
    return blame(read, () => {
      if (this.#domains.has(domain) || this.#domains.size >= leftOutMax) return;
      this.#domains.add(domain);
      this.note(`what waits for ${domain} cannot be found: its part of the index is damaged`);
    });
  }

  /** Reads many messages; `narrow` has the next try read fewer. */
  readMany<T>(read: () => T, narrow: () => void): T {
    return blame(read, () => {
      narrow();
      this.#found++;
    });
  }

  /** Changes a recipient's row: after a failure without its text, then not at all. */
  change(key: number, change: () => void): void {
    blame(change, () => {
      if (this.#shortened.has(key) || this.#shortened.size >= leftOutMax) return this.leaveOut(key);
      this.#shortened.add(key);
      this.#found++;
    });
  }

  /** Reads or changes what belongs to a message as a whole. */
  changeMessage<T>(seq: number, change: () => T): T {
    return blame(change, () => {
      if (this.#messages.has(seq) || this.#messages.size >= leftOutMax) return;
      this.#messages.add(seq);
      this.note(`message number ${seq} cannot be changed as a whole`);
    });
  }

  leaveOut(key: number): void {
    if (this.#recipients.has(key) || this.#recipients.size >= leftOutMax) return;
    this.#recipients.add(key);
    this.note(`recipient ${key % 65_536} of message number ${Math.floor(key / 65_536)} is left out`);
  }

  note(text: string): void {
    this.#found++;
    if (this.#notesMade >= notesMax) return;
    this.#notesMade++;
    this.#notes.push(this.#notesMade === notesMax ? `${text}; further damage is not told` : text);
  }

  /** What was found since the last call. */
  takeNotes(): readonly string[] {
    return this.#notes.splice(0);
  }
}

function blame<T>(work: () => T, found: () => void): T {
  try {
    return work();
  } catch (error) {
    if (sqliteCode(error) === sqliteCorrupt) found();
    throw error;
  }
}

/** `read`, or `otherwise` where it meets a damaged page. With no transaction open, where that does no further harm. */
export function unlessDamaged<T>(read: () => T, otherwise: () => T): T {
  try {
    return read();
  } catch (error) {
    if (sqliteCode(error) !== sqliteCorrupt) throw error;
    return otherwise();
  }
}
