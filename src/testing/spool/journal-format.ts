/**
 * What a file of a journal looks like, in each format there is: a first record that says what the file goes on from, then
 * records, each behind its length and a checksum. Which files count, and in which order, is the journal's business.
 *
 * In format 1 a checksum covers one record, and the first record bears no number. In format 2 it covers all records of the
 * file so far, and the first record says the checksum that the former file must end with: whole records that were swapped,
 * repeated or left out, or stem from another file, are found out, where format 1 takes them for sound. The first record of
 * every format has a checksum of its own and, from format 2 on, begins with `{"format":N`: so an older program can tell a
 * file that it cannot read from one that was begun in vain.
 */
import { crc32 } from "node:zlib";

export type JournalFormat = 1 | 2;
/** What this program writes. */
export const newestFormat: JournalFormat = 2;

/** Length and checksum (CRC-32) of what follows. */
const frameBytes = 8;
/** Of one record; more is a damaged length. A message of the largest size there is fits. */
const recordBytesMax = 256 * 1024 * 1024;

/** A part of a file, from its beginning. */
export interface Extent {
  readonly octets: number;
  /** Of all its records. */
  readonly checksum: number;
}

export const nothing: Extent = { octets: 0, checksum: 0 };

/** What each file begins with. */
export interface FileStart {
  readonly format: JournalFormat;
  /** 0: there is none. */
  readonly previous: number;
  /** How much of the former file counts. Format 1 does not say its checksum. */
  readonly counts: Pick<Extent, "octets"> & Partial<Extent>;
}

/** Records as they stand in a file. */
export interface Framed {
  readonly bytes: Buffer;
  /** Of these records and all before them. */
  readonly checksum: number;
}

/** What goes into a file behind records that have this checksum. */
export function framed(records: readonly Buffer[], format: JournalFormat, before: number): Framed {
  let checksum = before;
  const parts = records.flatMap((record) => {
    checksum = crc32(record, checksum);
    const frame = Buffer.allocUnsafe(frameBytes);
    frame.writeUInt32LE(record.length, 0);
    frame.writeUInt32LE(format === 1 ? crc32(record) : checksum, 4);
    return [frame, record];
  });
  return { bytes: Buffer.concat(parts), checksum };
}

/** A file that begins so and has these records. */
export function framedFile(
  format: JournalFormat,
  previous: number,
  counts: Extent,
  records: readonly Buffer[],
): Framed {
  const { octets, checksum } = counts;
  const first = format === 1 ? { previous, counts: octets } : { format, previous, counts: octets, checksum };
  return framed([Buffer.from(JSON.stringify(first)), ...records], format, nothing.checksum);
}

/** Undefined where the file was never really begun, or is no file of ours. */
export function readStart(bytes: Buffer, knows: JournalFormat): FileStart | { readonly newer: number } | undefined {
  const first = recordAt(bytes, 0);
  if (first === undefined || crc32(first.record) !== first.checksum) return undefined;
  const text = first.record.toString("latin1");
  const newer = Number(/^\{"format":(\d{1,4})[,}]/.exec(text)?.[1]);
  if (newer > knows) return { newer };
  const [, number, previous, octets, checksum] =
    /^\{("format":2,)?"previous":(\d{1,8}),"counts":(\d{1,16})(?:,"checksum":(\d{1,10}))?\}$/.exec(text) ?? [];
  // Format 2 has both the number and the checksum, format 1 neither.
  if (octets === undefined || (number === undefined) !== (checksum === undefined)) return undefined;
  const counts = { octets: Number(octets), ...(checksum !== undefined && { checksum: Number(checksum) }) };
  return { format: number === undefined ? 1 : 2, previous: Number(previous), counts };
}

/** All whole records behind the first, up to where one is not, and how far that is. */
export function readRecords(
  bytes: Buffer,
  format: JournalFormat,
): { readonly records: Buffer[]; readonly end: Extent } {
  const records: Buffer[] = [];
  let end = nothing;
  for (let found = recordAt(bytes, 0); found !== undefined; found = recordAt(bytes, end.octets)) {
    const { record } = found;
    const checksum = crc32(record, end.checksum);
    if (found.checksum !== (format === 1 ? crc32(record) : checksum)) break;
    if (end.octets > 0) records.push(record);
    end = { octets: end.octets + frameBytes + record.length, checksum };
  }
  return { records, end };
}

/** What stands here as a record, if its length is one; its checksum is not looked at. */
function recordAt(bytes: Buffer, at: number): { readonly record: Buffer; readonly checksum: number } | undefined {
  if (at + frameBytes > bytes.length) return undefined;
  const length = bytes.readUInt32LE(at);
  if (length === 0 || length > recordBytesMax || at + frameBytes + length > bytes.length) return undefined;
  return { record: bytes.subarray(at + frameBytes, at + frameBytes + length), checksum: bytes.readUInt32LE(at + 4) };
}
