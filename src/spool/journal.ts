/**
 * An append-only journal over `Files`: records that are durable when {@link Journal.append} resolves, and that come back,
 * whole and in order, after any crash. Owns files, framing and checksums; what a record means is for its user.
 *
 * A write that fails may leave part of a record, or a whole one that was reported as failed. So the journal then goes on in
 * a new file, which begins by saying how much of the former one counts; what lies behind that is never read.
 */
import { crc32 } from "node:zlib";
import type { Files, OpenFile } from "../ports/files.ts";

/** Length and CRC-32 of what follows. */
const frameBytes = 8;
/** Of one record; more is a damaged length. A message of the largest size there is fits. */
const recordBytesMax = 256 * 1024 * 1024;
/** What each file begins with. */
interface First {
  /** 0: there is none. */
  readonly previous: number;
  /** Octets of the former file that count. */
  readonly counts: number;
}

const namePattern = /^journal-(\d{8})$/;

export class Journal {
  readonly #files: Files;
  readonly #directory: string;
  #number: number;
  #file: OpenFile | undefined;
  /** Octets of the present file that count. */
  #length: number;
  /** Of any file there is, begun in vain or not. */
  #latest: number;

  private constructor(files: Files, directory: string, number: number, length: number, latest: number) {
    this.#files = files;
    this.#directory = directory;
    this.#number = number;
    this.#length = length;
    this.#latest = latest;
  }

  /** Reads what is there, oldest first, through `replay`. Nothing is written before the first append. */
  static async open(
    files: Files,
    directory: string,
    replay: (record: Buffer) => Promise<void> | void,
  ): Promise<Journal> {
    await files.makeDirectory(directory, 0o700);
    const numbers = (await files.list(directory))
      .map((name) => Number(namePattern.exec(name)?.[1] ?? 0))
      .filter((number) => number > 0)
      .toSorted((a, b) => a - b);
    const read = async (number: number) => Buffer.from(await files.readFile(`${directory}/${fileName(number)}`));
    // The newest file that was really begun is the last; each names the one before it. Files that were begun in vain are
    // in nobody's chain.
    const chain: Buffer[] = [];
    let last = 0;
    let wanted: First | undefined;
    for (const number of numbers.toReversed()) {
      if (wanted !== undefined && number !== wanted.previous) continue;
      const bytes = await read(number);
      const first = readFirst(bytes);
      if (first === undefined) continue;
      if (wanted === undefined) last = number;
      chain.unshift(wanted === undefined ? bytes : bytes.subarray(0, wanted.counts));
      wanted = first;
    }
    // A process that was killed may have written and not synced: what is found is built upon, so it must be durable first.
    if (last > 0) {
      await using file = await files.open(`${directory}/${fileName(last)}`, "append");
      await file.sync();
      await files.syncDirectory(directory);
    }
    let length = 0;
    for (const bytes of chain) length = await replayAll(bytes, replay);
    return new Journal(files, directory, last, length, numbers.at(-1) ?? 0);
  }

  /** Durable when it resolves. Rejects with a `FileError`; none of these records then ever comes back, unless the process ends at once. */
  async append(records: readonly Buffer[]): Promise<void> {
    const framed = Buffer.concat(records.flatMap((record) => [frameOf(record), record]));
    const file = this.#file ?? (await this.#begin());
    try {
      await file.write(framed);
      await file.sync();
      this.#length += framed.length;
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
    const path = `${this.#directory}/${fileName(number)}`;
    const file = await this.#files.open(path, "create", 0o600);
    try {
      const first = Buffer.from(JSON.stringify({ previous: this.#number, counts: this.#length } satisfies First));
      const framed = Buffer.concat([frameOf(first), first]);
      await file.write(framed);
      await file.sync();
      await this.#files.syncDirectory(this.#directory);
      this.#number = number;
      this.#length = framed.length;
      this.#file = file;
      return file;
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }
}

function fileName(number: number): string {
  return `journal-${String(number).padStart(8, "0")}`;
}

function frameOf(record: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(frameBytes);
  frame.writeUInt32LE(record.length, 0);
  frame.writeUInt32LE(crc32(record), 4);
  return frame;
}

/** The record that begins here, if it is whole. */
function recordAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + frameBytes > bytes.length) return undefined;
  const length = bytes.readUInt32LE(at);
  if (length === 0 || length > recordBytesMax || at + frameBytes + length > bytes.length) return undefined;
  const record = bytes.subarray(at + frameBytes, at + frameBytes + length);
  return crc32(record) === bytes.readUInt32LE(at + 4) ? record : undefined;
}

/** Undefined where the file was never really begun, or is no file of ours. */
function readFirst(bytes: Buffer): First | undefined {
  const match = /^\{"previous":(\d{1,8}),"counts":(\d{1,16})\}$/.exec(recordAt(bytes, 0)?.toString() ?? "");
  return match === null ? undefined : { previous: Number(match[1]), counts: Number(match[2]) };
}

/** All whole records behind the first; gives the length that counts. */
async function replayAll(bytes: Buffer, replay: (record: Buffer) => Promise<void> | void): Promise<number> {
  let at = 0;
  for (let record = recordAt(bytes, at); record !== undefined; record = recordAt(bytes, at)) {
    if (at > 0) await replay(record);
    at += frameBytes + record.length;
  }
  return at;
}
