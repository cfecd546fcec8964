/**
 * An append-only journal over `Files`: records that are durable when {@link Journal.append} resolves, and that come back,
 * whole and in order, after any crash. Owns which files there are and which of them count; how a file looks is told in
 * `journal-format.ts`, what a record means is for the user.
 *
 * A write that fails may leave part of a record, or a whole one that was reported as failed. So the journal then goes on in
 * a new file, which begins by saying how much of the former one counts; what lies behind that is never read.
 *
 * That is the way up to a newer format too: files of an older one stay as they are, and whoever opens the journal goes on
 * in a new file. The way back is {@link downgradeJournal}.
 */
import type { Files, OpenFile } from "../../ports/files.ts";
import {
  type Extent,
  type FileStart,
  framed,
  framedFile,
  type JournalFormat,
  newestFormat,
  nothing,
  readRecords,
  readStart,
} from "./journal-format.ts";
import { SpoolError } from "../../spool/spool.ts";

const namePattern = /^journal-(\d{8})$/;

export class Journal {
  readonly #files: Files;
  readonly #directory: string;
  readonly #format: JournalFormat;
  #number: number;
  #file: OpenFile | undefined;
  /** What counts of the present file. */
  #end: Extent;
  /** Of any file there is, begun in vain or not. */
  #latest: number;

  private constructor(files: Files, directory: string, format: JournalFormat, { last, numbers }: Found) {
    this.#files = files;
    this.#directory = directory;
    this.#format = format;
    this.#number = last?.number ?? 0;
    this.#end = last?.end ?? nothing;
    this.#latest = numbers[0] ?? 0;
  }

  /**
   * Reads what is there, oldest first, through `replay`. Nothing is written before the first append. Rejects with a
   * {@link SpoolError}, everything being left as it is: `newer-format`, or `failed` where files that are needed are
   * missing or damaged. `knows`, the newest format that the program can read, is also what it writes; less than the newest
   * there is stands for an older program.
   */
  static async open(
    files: Files,
    directory: string,
    replay: (record: Buffer) => Promise<void> | void,
    knows: JournalFormat = newestFormat,
  ): Promise<Journal> {
    const found = await findRecords(files, directory, knows);
    // A process that was killed may have written and not synced: what is found is built upon, so it must be durable first.
    if (found.last !== undefined) {
      await using file = await files.open(pathOf(directory, found.last.number), "append");
      await file.sync();
      await files.syncDirectory(directory);
    }
    for (const record of found.records) await replay(record);
    return new Journal(files, directory, knows, found);
  }

  /** Durable when it resolves. Rejects with a `FileError`; none of these records then ever comes back, unless the process ends at once. */
  async append(records: readonly Buffer[]): Promise<void> {
    const file = this.#file ?? (await this.#begin());
    const { bytes, checksum } = framed(records, this.#format, this.#end.checksum);
    try {
      await file.write(bytes);
      await file.sync();
      this.#end = { octets: this.#end.octets + bytes.length, checksum };
    } catch (error) {
      this.#file = undefined;
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #begin(): Promise<OpenFile> {
    const number = ++this.#latest;
    const file = await this.#files.open(pathOf(this.#directory, number), "create", 0o600);
    try {
      const { bytes, checksum } = framedFile(this.#format, this.#number, this.#end, []);
      await file.write(bytes);
      await file.sync();
      await this.#files.syncDirectory(this.#directory);
      this.#number = number;
      this.#end = { octets: bytes.length, checksum };
      this.#file = file;
      return file;
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }
}

/** 0: there is no journal yet. Rejects as {@link Journal.open} does. */
export async function journalFormatOf(files: Files, directory: string): Promise<number> {
  return (await findRecords(files, directory, newestFormat)).last?.format ?? 0;
}

/**
 * Takes a journal that nobody has open back to an older format, for an older program: all records are written into one
 * new file, whose name appears when it is whole and durable; then the others go. A crash leaves the journal in one format
 * or the other. Rejects with a {@link SpoolError}, as {@link Journal.open} does and where it is not above `target`.
 */
export async function downgradeJournal(files: Files, directory: string, target: JournalFormat): Promise<void> {
  const { records, last, numbers } = await findRecords(files, directory, newestFormat);
  const format = last?.format ?? 0;
  if (target >= format) {
    const why = format === 1 ? "the first there was" : `which cannot be taken back to ${target}`;
    throw new SpoolError("failed", `the journal has format ${format}, ${why}`);
  }
  const { bytes } = framedFile(target, 0, nothing, records);
  await files.replaceFile(pathOf(directory, (numbers[0] ?? 0) + 1), bytes, 0o600);
  for (const number of numbers) await files.remove(pathOf(directory, number));
  await files.syncDirectory(directory);
}

interface Found {
  /** Oldest first. */
  readonly records: readonly Buffer[];
  /** The newest file that was really begun, and what counts of it. */
  readonly last: { readonly number: number; readonly format: JournalFormat; readonly end: Extent } | undefined;
  /** Of all files, newest first. */
  readonly numbers: readonly number[];
}

/** Each file names the one before it. Files that were begun in vain are in nobody's chain. */
async function findRecords(files: Files, directory: string, knows: JournalFormat): Promise<Found> {
  await files.makeDirectory(directory, 0o700);
  const numbers = (await files.list(directory))
    .map((name) => Number(namePattern.exec(name)?.[1] ?? 0))
    .filter((number) => number > 0)
    .toSorted((a, b) => b - a);
  const parts: (readonly Buffer[])[] = [];
  let last: Found["last"];
  let follower: FileStart | undefined;
  for (const number of numbers) {
    if (follower !== undefined && number !== follower.previous) continue;
    const path = pathOf(directory, number);
    const bytes = Buffer.from(await files.readFile(path));
    const start = readStart(bytes, knows);
    if (start === undefined) continue;
    if ("newer" in start) {
      const text = `${path} has format ${start.newer}; this program knows formats up to ${knows}`;
      throw new SpoolError("newer-format", text);
    }
    const { format } = start;
    const { records, end } = readRecords(bytes.subarray(0, follower?.counts.octets), format);
    if (follower === undefined) last = { number, format, end };
    else if (!isWhole(end, follower)) break;
    parts.unshift(records);
    follower = start;
  }
  if (follower !== undefined && follower.previous !== 0) {
    throw new SpoolError("failed", `${pathOf(directory, follower.previous)} is missing or damaged`);
  }
  return { records: parts.flat(), last, numbers };
}

function isWhole(end: Extent, { counts }: FileStart): boolean {
  return end.octets === counts.octets && (counts.checksum ?? end.checksum) === end.checksum;
}

function pathOf(directory: string, number: number): string {
  return `${directory}/journal-${String(number).padStart(8, "0")}`;
}
