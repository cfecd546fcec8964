/**
 * Receives one message for the SQLite spool: small content gathers in memory, larger content goes to a file while it
 * arrives. Making it durable is the owner's part.
 */
import { SpoolError, type CommitOptions, type MessageWriter, type NewMessage } from "../../spool/spool.ts";
import type { IncomingFile } from "./content-files.ts";

/** Content up to this size is kept in the database. */
const smallContentMax = 256 * 1024;

/**
 * So many pieces are kept as they came: ordinary mail has a few. Those of a client that sends octet by octet, or a chunk
 * of one octet among other commands, would each keep a buffer of up to 64 KiB alive; what follows is copied together.
 */
const piecesMax = 32;

/** A message that has arrived whole. */
export interface Draft {
  readonly given: NewMessage;
  readonly options: CommitOptions;
  readonly chunks: readonly Uint8Array[];
  readonly file: IncomingFile | undefined;
  readonly size: number;
}

export interface WriterOwner {
  receiveFile(): IncomingFile;
  commit(draft: Draft): ReturnType<MessageWriter["commit"]>;
}

export class SqliteMessageWriter implements MessageWriter {
  readonly #owner: WriterOwner;
  #chunks: Uint8Array[] = [];
  /** The first `#gatheredBytes` of it are the content's beginning; undefined while there are few pieces. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;
  #file: IncomingFile | undefined;
  #size = 0;
  #finished = false;

  constructor(owner: WriterOwner) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#finished) throw new SpoolError("failed", "The message is committed or aborted already");
    this.#size += bytes.length;
    if (this.#file !== undefined) return this.#file.append(bytes);
    this.#chunks.push(bytes);
    if (this.#chunks.length > piecesMax || this.#gathered !== undefined) this.#gather();
    if (this.#size <= smallContentMax) return undefined;
    const file = this.#owner.receiveFile();
    this.#file = file;
    let wait: Promise<void> | undefined;
    for (const chunk of this.#takeChunks()) wait = file.append(chunk);
    return wait;
  }

  async commit(message: NewMessage, options: CommitOptions): ReturnType<MessageWriter["commit"]> {
    if (this.#finished) throw new SpoolError("failed", "The message is committed or aborted already");
    this.#finished = true;
    const file = this.#file;
    const chunks = this.#takeChunks();
    try {
      return await this.#owner.commit({ given: message, options, chunks, file, size: this.#size });
    } catch (error) {
      await file?.discard();
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    this.#takeChunks();
    await this.#file?.discard();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  #gather(): void {
    for (const chunk of this.#chunks) {
      const needed = this.#gatheredBytes + chunk.length;
      if (this.#gathered === undefined || needed > this.#gathered.length) {
        const larger = new Uint8Array(Math.max(needed, 2 * this.#size));
        if (this.#gathered !== undefined) larger.set(this.#gathered.subarray(0, this.#gatheredBytes));
        this.#gathered = larger;
      }
      this.#gathered.set(chunk, this.#gatheredBytes);
      this.#gatheredBytes = needed;
    }
    this.#chunks = [];
  }

  #takeChunks(): readonly Uint8Array[] {
    const chunks = this.#gathered === undefined ? this.#chunks : [this.#gathered.subarray(0, this.#gatheredBytes)];
    this.#chunks = [];
    this.#gathered = undefined;
    return chunks;
  }
}
