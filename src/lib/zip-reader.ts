/**
 * The files of a zip archive in memory: read from its central directory, stored or deflated. Made for small archives from
 * strangers: what is encrypted, spread over disks, in the 64-bit form, or larger than allowed is refused before it is
 * inflated.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { isTooLarge } from "./gzip-reader.ts";

export interface ZipFile {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface ZipLimits {
  /** Octets of all files together. */
  readonly bytesMax: number;
  readonly filesMax: number;
}

/** What is wrong, as a sentence; nothing of the archive is then used. */
export class ZipError extends Error {
  override readonly name = "ZipError";
}

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const entryBytes = 46;
const localBytes = 30;
/** The end record is followed by a comment of at most so many octets. */
const commentBytesMax = 65_535;

interface Entry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly at: number;
}

/** Folders are passed over. Throws {@link ZipError}. */
export function readZip(archive: Buffer, { bytesMax, filesMax }: ZipLimits): readonly ZipFile[] {
  const entries = readDirectory(archive, filesMax).filter(({ name }) => !name.endsWith("/"));
  let left = bytesMax;
  return entries.map((entry) => {
    const bytes = readEntry(archive, entry, left);
    left -= bytes.length;
    return { name: entry.name, bytes };
  });
}

function readDirectory(archive: Buffer, filesMax: number): readonly Entry[] {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  if (archive.readUInt16LE(end + 4) !== 0 || archive.readUInt16LE(end + 8) !== count) {
    throw new ZipError("the zip archive has several parts");
  }
  if (count > filesMax) throw new ZipError(`the zip archive has ${count} files; at most ${filesMax} are read`);
  const entries: Entry[] = [];
  for (let index = 0; index < count; index++) {
    if (at + entryBytes > end || archive.readUInt32LE(at) !== entrySignature) throw new ZipError(damaged);
    const nameBytes = archive.readUInt16LE(at + 28);
    const next = at + entryBytes + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
    if (next > end) throw new ZipError(damaged);
    entries.push({
      name: archive.toString("utf8", at + entryBytes, at + entryBytes + nameBytes),
      flags: archive.readUInt16LE(at + 8),
      method: archive.readUInt16LE(at + 10),
      crc: archive.readUInt32LE(at + 16),
      packedBytes: archive.readUInt32LE(at + 20),
      bytes: archive.readUInt32LE(at + 24),
      at: archive.readUInt32LE(at + 42),
    });
    at = next;
  }
  return entries;
}

function findEnd(archive: Buffer): number {
  const lowest = Math.max(0, archive.length - endBytes - commentBytesMax);
  for (let at = archive.length - endBytes; at >= lowest; at--) {
    if (archive[at] === 0x50 && archive.readUInt32LE(at) === endSignature) return at;
  }
  throw new ZipError("the zip archive is cut off");
}

function readEntry(archive: Buffer, entry: Entry, bytesMax: number): Buffer {
  const { flags, method, crc, packedBytes, at } = entry;
  if ((flags & 1) !== 0) throw new ZipError("the zip archive is encrypted");
  if (packedBytes === 0xffffffff || entry.bytes === 0xffffffff || at === 0xffffffff) {
    throw new ZipError("the zip archive has the 64-bit form, which no report needs");
  }
  if (entry.bytes > bytesMax) throw new ZipError(tooLarge(bytesMax));
  if (at + localBytes > archive.length || archive.readUInt32LE(at) !== localSignature) throw new ZipError(damaged);
  const start = at + localBytes + archive.readUInt16LE(at + 26) + archive.readUInt16LE(at + 28);
  if (start + packedBytes > archive.length) throw new ZipError("the zip archive is cut off");
  const packed = archive.subarray(start, start + packedBytes);
  const bytes = unpackEntry(packed, method, bytesMax);
  if (crc32(bytes) !== crc) throw new ZipError(damaged);
  return bytes;
}

function unpackEntry(packed: Buffer, method: number, bytesMax: number): Buffer {
  if (method === 0) {
    if (packed.length > bytesMax) throw new ZipError(tooLarge(bytesMax));
    return packed;
  }
  if (method !== 8) throw new ZipError(`the zip archive uses method ${method}; only stored and deflated are read`);
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, bytesMax) });
  } catch (error) {
    // What the directory says of sizes may be a lie; what comes out is counted.
    throw new ZipError(isTooLarge(error) ? tooLarge(bytesMax) : damaged, { cause: error });
  }
}

const damaged = "the zip archive is damaged";

function tooLarge(bytesMax: number): string {
  return `the zip archive holds more than the ${bytesMax} octets that are read`;
}
