/**
 * A disk in memory that forgets as a real one does: content is durable after `sync`, a name after `syncDirectory` of its
 * folder, and {@link MemoryFiles.crash} takes everything else away. Tests may fail the next operation of a kind, limit
 * the space, and read in {@link MemoryFiles.trace} in which order things were done.
 */
import { posix } from "node:path";

import { FileError, type FileFacts, type Files, type OpenFile, type OpenMode } from "../ports/files.ts";

export type FileOperation =
  | "open"
  | "write"
  | "read"
  | "sync"
  | "close"
  | "readFile"
  | "replaceFile"
  | "makeDirectory"
  | "setPermissions"
  | "syncDirectory"
  | "rename"
  | "remove"
  | "list"
  | "stat"
  | "freeBytes";

/** Files only grow, so what survives a crash is a length. */
interface Inode {
  /** With room to grow; the first `length` octets are the content. */
  buffer: Buffer;
  length: number;
  durableLength: number;
  modifiedAt: number;
  readonly permissions: number | undefined;
}

interface Fault {
  readonly operation: FileOperation;
  readonly code: string;
  readonly path?: string;
  times: number;
}

export interface MemoryFilesOptions {
  /** Octets that may still be written; default without limit. */
  readonly space?: number;
  /** Stamps modification times; default always 0. */
  readonly now?: () => number;
}

export class MemoryFiles implements Files {
  /** Each operation with its path, in order: `write /a/b 12`, `sync /a/b`, `rename /a /b`. */
  readonly trace: string[] = [];
  /** Octets that may still be written. */
  space: number;
  /** Called before each operation; may throw, or call {@link crash}. */
  before: ((operation: FileOperation, path: string) => void) | undefined;
  readonly #now: () => number;
  readonly #directories = new Set<string>(["/"]);
  /** Those that were asked for; of files only what was set later. */
  readonly #permissions = new Map<string, number>();
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #faults: Fault[] = [];
  #incarnation = 0;

  constructor(options: MemoryFilesOptions = {}) {
    this.space = options.space ?? Number.POSITIVE_INFINITY;
    this.#now = options.now ?? (() => 0);
  }

  /** The next `times` operations of this kind (on this path, where given) fail with `code`. */
  failNext(operation: FileOperation, code: string, options: { path?: string; times?: number } = {}): void {
    const path = options.path === undefined ? {} : { path: absolute(options.path) };
    this.#faults.push({ operation, code, times: options.times ?? 1, ...path });
  }

  /**
   * The power fails: names and content that were not synced are gone; open files are dead (EBADF). With `survives` (0 to
   * 1, asked for each) a part of them had reached the disk: a name with more than half, a file's new octets up to there.
   */
  crash(survives: () => number = () => 0): void {
    this.#incarnation++;
    const left = new Map(this.#durableNames);
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const inode = this.#names.get(name);
      if (inode === this.#durableNames.get(name) || survives() <= 0.5) continue;
      if (inode === undefined) left.delete(name);
      else left.set(name, inode);
    }
    this.#names = left;
    this.#durableNames = new Map(left);
    for (const inode of new Set(left.values())) {
      const unsynced = inode.length - inode.durableLength;
      if (unsynced > 0) inode.length = inode.durableLength + Math.floor(unsynced * survives());
      inode.durableLength = inode.length;
    }
  }

  /** Drops the record of what was done, of which a long run makes much. */
  forgetTrace(): void {
    this.trace.length = 0;
  }

  /** Paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.keys()].toSorted();
  }

  /** Permissions the file was made with. */
  permissionsOf(path: string): number | undefined {
    return this.#names.get(absolute(path))?.permissions;
  }

  async open(path: string, mode: OpenMode, permissions?: number): Promise<OpenFile> {
    const name = this.#begin("open", path, ` ${mode}`);
    let inode = this.#names.get(name);
    if (mode === "create" && (inode !== undefined || this.#directories.has(name))) throw error("EEXIST", "open", name);
    if (mode === "read" && inode === undefined) throw error("ENOENT", "open", name);
    if (inode === undefined) {
      this.#requireParent(name, "open");
      inode = this.#newInode(permissions);
      this.#names.set(name, inode);
    }
    return this.#openFile(name, inode, mode);
  }

  async readFile(path: string): Promise<Uint8Array> {
    const name = this.#begin("readFile", path);
    const inode = this.#existing(name, "readFile");
    return Uint8Array.from(inode.buffer.subarray(0, inode.length));
  }

  async replaceFile(path: string, bytes: Uint8Array, permissions?: number): Promise<void> {
    const name = this.#begin("replaceFile", path);
    this.#requireParent(name, "replaceFile");
    if (bytes.length > this.space) throw error("ENOSPC", "replaceFile", name);
    this.space -= bytes.length;
    const inode = this.#newInode(permissions);
    append(inode, bytes);
    inode.durableLength = inode.length;
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  async makeDirectory(path: string, permissions = 0o700): Promise<void> {
    let name = this.#begin("makeDirectory", path);
    if (this.#names.has(name)) throw error("EEXIST", "makeDirectory", name);
    for (; name !== "/" && !this.#directories.has(name); name = posix.dirname(name)) {
      this.#directories.add(name);
      this.#permissions.set(name, permissions);
    }
  }

  async setPermissions(path: string, permissions: number): Promise<void> {
    const name = this.#begin("setPermissions", path);
    if (!this.#directories.has(name) && !this.#names.has(name)) throw error("ENOENT", "setPermissions", name);
    this.#permissions.set(name, permissions);
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.#begin("syncDirectory", path);
    if (!this.#directories.has(directory)) throw error("ENOENT", "syncDirectory", directory);
    for (const name of this.#durableNames.keys()) {
      if (posix.dirname(name) === directory && !this.#names.has(name)) this.#durableNames.delete(name);
    }
    for (const [name, inode] of this.#names) {
      if (posix.dirname(name) === directory) this.#durableNames.set(name, inode);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const target = absolute(to);
    const name = this.#begin("rename", from, ` ${target}`);
    const inode = this.#existing(name, "rename");
    this.#requireParent(target, "rename");
    this.#names.delete(name);
    this.#names.set(target, inode);
  }

  async remove(path: string): Promise<void> {
    const name = this.#begin("remove", path);
    const inode = this.#names.get(name);
    this.#names.delete(name);
    if (inode !== undefined) this.space += inode.length;
  }

  async list(path: string): Promise<readonly string[]> {
    const directory = this.#begin("list", path);
    if (!this.#directories.has(directory)) throw error("ENOENT", "list", directory);
    return [...this.#directories, ...this.#names.keys()]
      .filter((name) => name !== "/" && posix.dirname(name) === directory)
      .map((name) => posix.basename(name))
      .toSorted();
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    const name = this.#begin("stat", path);
    if (this.#directories.has(name)) {
      return { kind: "directory", size: 0, modifiedAt: 0, permissions: this.#permissions.get(name) ?? 0o755 };
    }
    const inode = this.#names.get(name);
    const permissions = this.#permissions.get(name) ?? 0o600;
    return inode && { kind: "file", size: inode.length, modifiedAt: inode.modifiedAt, permissions };
  }

  async freeBytes(path: string): Promise<number> {
    this.#begin("freeBytes", path);
    return Number.isFinite(this.space) ? this.space : Number.MAX_SAFE_INTEGER;
  }

  /** Records the operation, lets the test interfere, and gives the absolute name. */
  #begin(operation: FileOperation, path: string, detail = ""): string {
    const name = absolute(path);
    this.trace.push(`${operation} ${name}${detail}`);
    this.before?.(operation, name);
    const fault = this.#faults.find(
      (candidate) => candidate.operation === operation && (candidate.path === undefined || candidate.path === name),
    );
    if (fault === undefined) return name;
    fault.times--;
    if (fault.times <= 0) this.#faults = this.#faults.filter((other) => other !== fault);
    throw error(fault.code, operation, name);
  }

  #newInode(permissions: number | undefined): Inode {
    return { buffer: Buffer.alloc(0), length: 0, durableLength: 0, modifiedAt: this.#now(), permissions };
  }

  #existing(name: string, operation: FileOperation): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw error(this.#directories.has(name) ? "EISDIR" : "ENOENT", operation, name);
    return inode;
  }

  #requireParent(name: string, operation: FileOperation): void {
    if (!this.#directories.has(posix.dirname(name))) throw error("ENOENT", operation, name);
  }

  #openFile(name: string, inode: Inode, mode: OpenMode): OpenFile {
    const incarnation = this.#incarnation;
    let open = true;
    const begin = (operation: FileOperation, detail = "") => {
      this.#begin(operation, name, detail);
      if (!open || incarnation !== this.#incarnation) throw error("EBADF", operation, name);
    };
    const close = async () => {
      if (!open) return;
      open = false;
      this.#begin("close", name);
    };
    return {
      write: async (bytes) => {
        begin("write", ` ${bytes.length}`);
        if (mode === "read") throw error("EBADF", "write", name);
        // A full disk takes what fits, then fails, as write(2) does.
        const fitting = bytes.subarray(0, Math.min(bytes.length, this.space));
        this.space -= fitting.length;
        append(inode, fitting);
        inode.modifiedAt = this.#now();
        if (fitting.length < bytes.length) throw error("ENOSPC", "write", name);
      },
      read: async (position, length) => {
        begin("read");
        return Uint8Array.from(inode.buffer.subarray(position, Math.min(inode.length, position + length)));
      },
      sync: async () => {
        begin("sync");
        inode.durableLength = inode.length;
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

function append(inode: Inode, bytes: Uint8Array): void {
  if (inode.length + bytes.length > inode.buffer.length) {
    const larger = Buffer.alloc(Math.max(2 * inode.buffer.length, inode.length + bytes.length));
    inode.buffer.copy(larger, 0, 0, inode.length);
    inode.buffer = larger;
  }
  inode.buffer.set(bytes, inode.length);
  inode.length += bytes.length;
}

function absolute(path: string): string {
  return posix.resolve("/", path);
}

function error(code: string, operation: FileOperation, path: string): FileError {
  return new FileError(code, `${code}: ${operation} '${path}'`);
}
