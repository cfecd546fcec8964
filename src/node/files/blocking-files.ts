/**
 * Files for a thread that has nothing else to do meanwhile: each call blocks it until the system answers, and takes no
 * thread of libuv's pool. What a Maildir needs, and no more.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import type { FileFacts, Files, OpenFile, OpenMode } from "../../ports/files.ts";
import { fileError } from "./file-error.ts";
import { factsOf, openFlags } from "./node-files.ts";

export class BlockingFiles implements Pick<
  Files,
  "open" | "stat" | "remove" | "rename" | "makeDirectory" | "syncDirectory"
> {
  async open(path: string, mode: Exclude<OpenMode, "read">, permissions = 0o600): Promise<OpenFile> {
    return new BlockingFile(blocking(() => openSync(path, openFlags[mode], permissions)));
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    const facts = blocking(() => statSync(path, { throwIfNoEntry: false }));
    return facts && factsOf(facts);
  }

  async remove(path: string): Promise<void> {
    blocking(() => rmSync(path, { force: true }));
  }

  async rename(from: string, to: string): Promise<void> {
    blocking(() => renameSync(from, to));
  }

  /** The new folders' names are durable when it resolves. */
  async makeDirectory(path: string, permissions = 0o700): Promise<void> {
    const wanted = resolve(path);
    const first = blocking(() => mkdirSync(wanted, { recursive: true, mode: permissions }));
    if (first === undefined) return;
    const above = dirname(resolve(first));
    for (let parent = dirname(wanted); ; parent = dirname(parent)) {
      await this.syncDirectory(parent);
      if (parent === above) return;
    }
  }

  async syncDirectory(path: string): Promise<void> {
    blocking(() => {
      const handle = openSync(path, "r");
      try {
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
    });
  }
}

class BlockingFile implements OpenFile {
  readonly #handle: number;
  #closed = false;

  constructor(handle: number) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    blocking(() => {
      // write(2) may take less than it was given.
      for (let written = 0; written < bytes.length;) written += writeSync(this.#handle, bytes, written);
    });
  }

  /** It is opened for writing only. */
  read(): Promise<Uint8Array> {
    return Promise.reject(new Error("This file is only written"));
  }

  async sync(): Promise<void> {
    blocking(() => fdatasyncSync(this.#handle));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    blocking(() => closeSync(this.#handle));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function blocking<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fileError(error);
  }
}
