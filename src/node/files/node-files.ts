/**
 * The disk through node:fs. Every failure leaves as a FileError with the system's code. Files and folders are private
 * (0600, 0700) unless asked otherwise, since nearly all of them hold mail or secrets.
 */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { chmod, open, mkdir, readdir, readFile, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { type FileFacts, type Files, type OpenFile, type OpenMode } from "../../ports/files.ts";
import { fileError } from "./file-error.ts";
import { noteRead } from "../process/read-garbage.ts";

export const openFlags = { read: "r", create: "wx", append: "a" } as const satisfies Record<OpenMode, string>;

export class NodeFiles implements Files {
  async open(path: string, mode: OpenMode, permissions = 0o600): Promise<OpenFile> {
    try {
      return new NodeOpenFile(await open(path, openFlags[mode], permissions));
    } catch (error) {
      throw fileError(error);
    }
  }

  async readFile(path: string): Promise<Uint8Array> {
    return await guarded(readFile(path));
  }

  async replaceFile(path: string, bytes: Uint8Array, permissions = 0o600): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      {
        await using file = await this.open(temporary, "create", permissions);
        await file.write(bytes);
        await file.sync();
      }
      await this.rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await this.syncDirectory(dirname(path));
  }

  /** The new folders' names are durable when it resolves. */
  async makeDirectory(path: string, permissions = 0o700): Promise<void> {
    const wanted = resolve(path);
    const first = await guarded(mkdir(wanted, { recursive: true, mode: permissions }));
    if (first === undefined) return;
    const above = dirname(resolve(first));
    for (let parent = dirname(wanted); ; parent = dirname(parent)) {
      await this.syncDirectory(parent);
      if (parent === above) return;
    }
  }

  async setPermissions(path: string, permissions: number): Promise<void> {
    await guarded(chmod(path, permissions));
  }

  async syncDirectory(path: string): Promise<void> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, "r");
      await handle.sync();
    } catch (error) {
      throw fileError(error);
    } finally {
      await handle?.close();
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await guarded(rename(from, to));
  }

  async remove(path: string): Promise<void> {
    await guarded(rm(path, { force: true }));
  }

  async list(path: string): Promise<readonly string[]> {
    return await guarded(readdir(path));
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    try {
      return factsOf(await stat(path));
    } catch (error) {
      const wrapped = fileError(error);
      if (wrapped.code === "ENOENT" || wrapped.code === "ENOTDIR") return undefined;
      throw wrapped;
    }
  }

  /** A path that does not exist yet counts on the file system of its nearest parent that does. */
  async freeBytes(path: string): Promise<number> {
    for (let candidate = resolve(path); ; candidate = dirname(candidate)) {
      try {
        const facts = await statfs(candidate);
        return facts.bavail * facts.bsize;
      } catch (error) {
        const wrapped = fileError(error);
        if (wrapped.code !== "ENOENT" || candidate === dirname(candidate)) throw wrapped;
      }
    }
  }
}

class NodeOpenFile implements OpenFile {
  readonly #handle: FileHandle;
  #closed = false;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      // write(2) may take less than it was given.
      for (let written = 0; written < bytes.length;) {
        written += (await this.#handle.write(bytes, written, bytes.length - written)).bytesWritten;
      }
    } catch (error) {
      throw fileError(error);
    }
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await guarded(this.#handle.read(buffer, 0, length, position));
    noteRead(bytesRead);
    return buffer.subarray(0, bytesRead);
  }

  /** fdatasync: it writes out the length too, and leaves only times behind. */
  async sync(): Promise<void> {
    await guarded(this.#handle.datasync());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await guarded(this.#handle.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function guarded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw fileError(error);
  }
}

export function factsOf(facts: Stats): FileFacts {
  const kind = facts.isFile() ? "file" : facts.isDirectory() ? "directory" : "other";
  return { kind, size: facts.size, modifiedAt: facts.mtimeMs, permissions: facts.mode & 0o7777 };
}
