/**
 * The disk as an argument. Failures are thrown as {@link FileError}; its `code` is the operating system's
 * (`ENOSPC`, `ENOENT`, …), so callers can tell a full disk (452) from any other failure (451).
 */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface FileFacts {
  readonly kind: "file" | "directory" | "other";
  readonly size: number;
  readonly modifiedAt: number;
  /** Of owner, group and others, as `chmod` takes them. */
  readonly permissions: number;
}

export interface OpenFile extends AsyncDisposable {
  /** Appends all of `bytes` (writes until done). */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads at most `length` octets at `position`; an empty array means the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** fsync: when it resolves, the file's content survives a power loss. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** How a file is opened: `create` fails with EEXIST where the name is taken. */
export type OpenMode = "read" | "create" | "append";

export interface Files {
  open(path: string, mode: OpenMode, permissions?: number): Promise<OpenFile>;
  readFile(path: string): Promise<Uint8Array>;
  /** Writes a temporary name beside `path`, fsyncs, renames over it, fsyncs the directory: old or new, never half. */
  replaceFile(path: string, bytes: Uint8Array, permissions?: number): Promise<void>;
  makeDirectory(path: string, permissions?: number): Promise<void>; // with parents; no error where it exists
  setPermissions(path: string, permissions: number): Promise<void>;
  /** fsync of a directory: makes names created in, renamed into, or removed from it durable. */
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No error where the file is absent. */
  remove(path: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<FileFacts | undefined>;
  /** Octets free for this process on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
}
