/**
 * Large contents: one file for each message, `content/xx/ID.eml`, where xx are the id's last two characters (they
 * differ most). A file arrives under another name in `content/incoming`, and gets its own just before the row that
 * names it is committed: whatever has no row is an orphan, and is removed at the next start.
 */
import { errorText } from "../../lib/error-text.ts";
import { FileError, type Files, type OpenFile } from "../../ports/files.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import { SpoolError } from "../../spool/spool.ts";

/** Octets that may wait for the disk before the caller is asked to wait. */
const waitingBytesMax = 1024 * 1024;
/** What is written at once, at most; an incoming file has one or two of these. */
const blockBytes = 256 * 1024;
/** Larger reads gain nothing; 50 MB are 200 of them. */
const readBytes = 256 * 1024;

/** Below `content/`. */
export function contentFileName(id: QueueId): string {
  return `${folderName(id)}/${id}.eml`;
}

function folderName(id: QueueId): string {
  return id.slice(-2);
}

export class ContentFiles {
  readonly #files: Files;
  readonly #root: string;
  readonly #incoming: string;
  /** Told apart from those that an earlier process left. */
  readonly #prefix: string;
  #count = 0;
  readonly #knownFolders = new Set<string>();
  /** Under their final name, but perhaps without a row yet. */
  readonly #uncommitted = new Set<QueueId>();

  constructor(files: Files, root: string, incarnation: number) {
    this.#files = files;
    this.#root = root;
    this.#incoming = `${root}/incoming`;
    this.#prefix = `${incarnation}-`;
  }

  async prepare(): Promise<void> {
    await this.#makeFolder(this.#root);
    await this.#makeFolder(this.#incoming);
  }

  receive(): IncomingFile {
    return new IncomingFile(this.#files, `${this.#incoming}/${this.#prefix}${++this.#count}`);
  }

  /**
   * Makes a complete file durable under the message's name, then lets `commit` write the row that names it. Throws
   * SpoolError, and the file is gone, where either fails.
   */
  async keep<T>(file: IncomingFile, id: QueueId, commit: () => Promise<T>): Promise<T> {
    const taken = new SpoolError("failed", `Queue id ${id} is taken`);
    if (this.#uncommitted.has(id)) throw taken;
    this.#uncommitted.add(id);
    try {
      // Renaming would silently replace the other message's content.
      if ((await this.#files.stat(this.#pathOf(id))) !== undefined) throw taken;
      await file.finish();
      const folder = this.#folderOf(id);
      await this.#makeFolder(folder);
      await this.#files.rename(file.path, this.#pathOf(id));
      try {
        await this.#files.syncDirectory(folder);
        return await commit();
      } catch (error) {
        await this.remove(id).catch(() => {});
        throw error;
      }
    } catch (error) {
      throw asSpoolError(error);
    } finally {
      this.#uncommitted.delete(id);
    }
  }

  async remove(id: QueueId): Promise<void> {
    await this.#files.remove(this.#pathOf(id));
  }

  /** undefined: the file is not there. */
  async open(id: QueueId): Promise<OpenFile | undefined> {
    try {
      return await this.#files.open(this.#pathOf(id), "read");
    } catch (error) {
      if (error instanceof FileError && error.code === "ENOENT") return undefined;
      throw unreadable(error, `the content of ${id} cannot be opened`);
    }
  }

  /** Whether the file is there in its full length. */
  async isWhole(id: QueueId, size: number): Promise<boolean> {
    const facts = await this.#files.stat(this.#pathOf(id));
    return facts?.kind === "file" && facts.size === size;
  }

  /** Removes what earlier processes left behind; `known` tells which ids have a row. Returns how many files went. */
  async removeOrphans(
    known: (ids: readonly QueueId[]) => Promise<readonly QueueId[]>,
    signal: AbortSignal,
  ): Promise<number> {
    let removed = 0;
    for (const name of await this.#files.list(this.#incoming)) {
      if (name.startsWith(this.#prefix)) continue;
      await this.#files.remove(`${this.#incoming}/${name}`);
      removed++;
    }
    for (const folder of await this.#files.list(this.#root)) {
      if (signal.aborted) return removed;
      if (folder.length !== 2) continue;
      const names = await this.#files.list(`${this.#root}/${folder}`);
      const ids = names.map((name) => name.replace(/\.eml$/, "")).filter((id) => !this.#uncommitted.has(id));
      const withRow = new Set(ids.length === 0 ? [] : await known(ids));
      for (const id of ids) {
        if (withRow.has(id)) continue;
        await this.remove(id);
        removed++;
      }
    }
    return removed;
  }

  /** Names of new folders are made durable before anything is put into them. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#knownFolders.has(path)) return;
    await this.#files.makeDirectory(path, 0o700);
    await this.#files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
    this.#knownFolders.add(path);
  }

  #folderOf(id: QueueId): string {
    return `${this.#root}/${folderName(id)}`;
  }

  #pathOf(id: QueueId): string {
    return `${this.#root}/${contentFileName(id)}`;
  }
}

/** Part of a file on its way to the disk. */
interface Block {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * A file that is being received. What comes is copied into blocks, which are used again once they are written: however
 * small the pieces, they cost what they hold, and nothing waits for the garbage collector. Failures are kept until
 * {@link finish}, since the peer goes on sending meanwhile.
 */
export class IncomingFile {
  readonly path: string;
  readonly #files: Files;
  readonly #open: Promise<OpenFile>;
  /** In the order of the file; only the last has room. */
  #waiting: Block[] = [];
  #waitingBytes = 0;
  #spare: Block | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #discarded = false;

  constructor(files: Files, path: string) {
    this.path = path;
    this.#files = files;
    this.#open = files.open(path, "create", 0o600);
    this.#open.catch((error: unknown) => (this.#failure = error));
  }

  /** A promise only when so much waits for the disk that the caller should wait too. */
  append(bytes: Uint8Array): Promise<void> | undefined {
    // After a failure nothing will be kept: what still comes is dropped.
    if (this.#failure !== undefined) return undefined;
    for (let at = 0; at < bytes.length;) {
      const block = this.#blockWithRoom();
      const part = bytes.subarray(at, at + blockBytes - block.length);
      block.bytes.set(part, block.length);
      block.length += part.length;
      at += part.length;
    }
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#write();
    return this.#waitingBytes > waitingBytesMax ? this.#writing : undefined;
  }

  /** All octets are durable. */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    await using file = await this.#open;
    await file.sync();
  }

  /** Leaves nothing. Idempotent. */
  async discard(): Promise<void> {
    if (this.#discarded) return;
    this.#discarded = true;
    this.#drop();
    await this.#writing;
    const file = await this.#open.catch(() => undefined);
    await file?.close().catch(() => {});
    // Where even this fails, the next start removes it.
    await this.#files.remove(this.path).catch(() => {});
  }

  #blockWithRoom(): Block {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.length < blockBytes) return last;
    const block = this.#spare ?? { bytes: new Uint8Array(blockBytes), length: 0 };
    this.#spare = undefined;
    this.#waiting.push(block);
    return block;
  }

  async #write(): Promise<void> {
    try {
      const file = await this.#open;
      for (let block = this.#waiting.shift(); block !== undefined; block = this.#waiting.shift()) {
        this.#waitingBytes -= block.length;
        await file.write(block.bytes.subarray(0, block.length));
        block.length = 0;
        this.#spare = block;
      }
    } catch (error) {
      this.#failure = error;
      this.#drop();
    } finally {
      this.#writing = undefined;
    }
  }

  #drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}

/** All of a file, from its start, in chunks; throws where it is shorter than it should be. */
export async function* readChunks(file: OpenFile, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < size;) {
    const bytes = await file.read(at, Math.min(readBytes, size - at)).catch((error: unknown) => {
      throw unreadable(error, `the content cannot be read after ${at} of ${size} octets`);
    });
    if (bytes.length === 0) throw new SpoolError("damaged", `the content ends after ${at} of ${size} octets`);
    at += bytes.length;
    yield bytes;
  }
}

/** The system says EIO where a sector cannot be read any more; a disk that is gone as a whole takes no outcome either. */
function unreadable(error: unknown, text: string): SpoolError {
  const isSector = error instanceof FileError && error.code === "EIO";
  return isSector ? new SpoolError("damaged", `${text} (EIO)`, { cause: error }) : asSpoolError(error);
}

export function asSpoolError(error: unknown): SpoolError {
  if (error instanceof SpoolError) return error;
  const full = error instanceof FileError && ["ENOSPC", "EDQUOT", "EFBIG"].includes(error.code);
  const text = errorText(error);
  return new SpoolError(full ? "no-space" : "failed", text, { cause: error });
}
