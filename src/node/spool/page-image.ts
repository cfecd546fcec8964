/**
 * The pages of a spool that nobody has open, as SQLite would see them: the database with its write-ahead log laid over it.
 * Nothing is written, so a damaged spool stays as it was found. Follows "WAL-mode File Format" of the SQLite
 * documentation. Also tells whether the end of the log is lost: what was settled then may look as if it waited still.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { Damage, pageBytes, type PageSource } from "./database-rows.ts";

const headerBytes = 32;
const frameHeaderBytes = 24;
const frameBytes = frameHeaderBytes + pageBytes;
const magicLittleEndian = 0x377f0682;
const magicBigEndian = 0x377f0683;
/** The first salt of a log is one more than that of the log before it, whose frames may stand after its own. */
const olderLogsMax = 1_000_000;
/** Where a database says how many pages it has, and which change of it said so. */
const [SIZE_AT, CHANGE_AT, SIZE_CHANGE_AT] = [28, 24, 92];

/** A damaged first page may say any number; a cut of more than 16 GiB is not counted. */
const cutPagesMax = 4 * 1024 * 1024;

type Sums = readonly [number, number];

export class PageImage implements PageSource, Disposable {
  readonly count: number;
  /** Pages that the file has. */
  readonly fileCount: number;
  /** Why the end of the log must be taken as lost; undefined: nothing speaks for it. */
  readonly logLoss: string | undefined;
  readonly hasLog: boolean;
  readonly #file: number;
  readonly #log: number | undefined;
  /** Where in the log the newest copy of a page is. */
  readonly #newest = new Map<number, number>();

  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.fileCount = Math.floor(fstatSync(this.#file).size / pageBytes);
    this.hasLog = existsSync(`${path}-wal`);
    this.#log = this.hasLog ? openSync(`${path}-wal`, "r") : undefined;
    const index = existsSync(`${path}-shm`) ? readFileSync(`${path}-shm`) : undefined;
    const log = this.#log === undefined ? undefined : this.#readLog(this.#log);
    this.logLoss = log?.loss ?? lossByIndex(index, log);
    this.count = log?.pages ?? Math.max(this.fileCount, Math.min(this.#ownCount(), this.fileCount + cutPagesMax));
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (this.#log !== undefined) closeSync(this.#log);
  }

  /** Whether anything of the page is there to be read. */
  has(page: number): boolean {
    return page <= this.fileCount || this.#newest.has(page);
  }

  read(page: number): Buffer {
    const inLog = this.#newest.get(page);
    if (inLog !== undefined && this.#log !== undefined) return readAt(this.#log, inLog);
    return readAt(this.#file, (page - 1) * pageBytes);
  }

  /** What the first page says, where it can be believed: a file that was cut has fewer. */
  #ownCount(): number {
    try {
      const bytes = this.read(1);
      return bytes.readUInt32BE(CHANGE_AT) === bytes.readUInt32BE(SIZE_CHANGE_AT) ? bytes.readUInt32BE(SIZE_AT) : 0;
    } catch (error) {
      if (error instanceof Damage) return 0;
      throw error;
    }
  }

  /** Notes the frames up to the last commit that can be believed. */
  #readLog(log: number): LogFacts {
    const size = fstatSync(log).size;
    // A checkpoint leaves an empty one.
    if (size === 0) return { frames: 0 };
    const header = Buffer.alloc(headerBytes);
    readSync(log, header, 0, headerBytes, 0);
    const magic = header.readUInt32BE(0);
    const isBigEndian = magic === magicBigEndian;
    let sums = checksum([0, 0], header.subarray(0, 24), isBigEndian);
    const isHeader = isBigEndian || magic === magicLittleEndian;
    if (!isHeader || !isSum(sums, header, 24)) return { frames: 0, loss: "the beginning of its log is damaged" };
    const salts = header.subarray(16, 24);
    const waiting = new Map<number, number>();
    const frames = Math.floor((size - headerBytes) / frameBytes);
    let committed = 0;
    let pages: number | undefined;
    for (let frame = 0; frame < frames; frame++) {
      const at = headerBytes + frame * frameBytes;
      const bytes = readFrame(log, at);
      if (bytes === undefined || !bytes.subarray(8, 16).equals(salts)) break;
      sums = checksum(checksum(sums, bytes.subarray(0, 8), isBigEndian), bytes.subarray(frameHeaderBytes), isBigEndian);
      if (!isSum(sums, bytes, 16)) break;
      waiting.set(bytes.readUInt32BE(0), at + frameHeaderBytes);
      if (bytes.readUInt32BE(4) === 0) continue;
      pages = bytes.readUInt32BE(4);
      committed = frame + 1;
      for (const [page, where] of waiting) this.#newest.set(page, where);
      waiting.clear();
    }
    const isCut = isMoreThere(log, { salts, from: committed, size });
    return { frames: committed, pages, salts, ...(isCut && { loss: "its log is damaged or cut before its end" }) };
  }
}

interface LogFacts {
  /** Up to the last commit. */
  readonly frames: number;
  readonly pages?: number | undefined;
  readonly salts?: Uint8Array;
  readonly loss?: string;
}

/** Whether anything after the last commit was once of this log, or is nothing that a log before it can have left. */
function isMoreThere(
  log: number,
  { salts, from, size }: { readonly salts: Buffer; readonly from: number; readonly size: number },
): boolean {
  for (let at = headerBytes + from * frameBytes; at < size; at += frameBytes) {
    const header = Buffer.alloc(frameHeaderBytes);
    if (readSync(log, header, 0, frameHeaderBytes, at) < frameHeaderBytes) return true;
    const older = (salts.readUInt32BE(0) - header.readUInt32BE(8)) >>> 0;
    if (older === 0 || older > olderLogsMax) return true;
  }
  return false;
}

/** The index that a process leaves when it is killed knows how long the log was; after a power loss it may know nothing. */
function lossByIndex(index: Buffer | undefined, log: LogFacts | undefined): string | undefined {
  if (index === undefined) return undefined;
  if (log === undefined) return "its log is missing, and the log's index is there";
  if (index.length < 48) return undefined;
  const frames = index.readUInt32LE(16);
  const isOfThisLog = log.salts !== undefined && index.subarray(32, 40).equals(log.salts);
  return isOfThisLog && frames > log.frames ? `its log had ${frames} pages and has ${log.frames}` : undefined;
}

function readAt(file: number, position: number): Buffer {
  const bytes = Buffer.alloc(pageBytes);
  let got: number;
  try {
    got = readSync(file, bytes, 0, pageBytes, position);
  } catch (error) {
    throw new Damage(`the disk does not give it (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
  if (got < pageBytes) throw new Damage("the file ends before it");
  return bytes;
}

function readFrame(log: number, position: number): Buffer | undefined {
  const bytes = Buffer.alloc(frameBytes);
  try {
    return readSync(log, bytes, 0, frameBytes, position) === frameBytes ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** SQLite's: over pairs of 32-bit words, carried on from frame to frame. */
function checksum([first, second]: Sums, bytes: Buffer, isBigEndian: boolean): Sums {
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + second) >>> 0;
    second = (second + (isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + first) >>> 0;
  }
  return [first, second];
}

function isSum([first, second]: Sums, bytes: Buffer, at: number): boolean {
  return bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second;
}
