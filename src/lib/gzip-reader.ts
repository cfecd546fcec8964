/**
 * The content of a gzip file in memory (RFC 1952): all its members one after the other, checked by their sums. What follows
 * the last member is passed over, since line ends get behind files in mail, and zlib's own reader refuses those.
 */
import { crc32, inflateRawSync } from "node:zlib";

/** What is wrong, as a sentence. */
export class GzipError extends Error {
  override readonly name = "GzipError";
}

const headerBytes = 10;
const trailerBytes = 8;
/** One is usual; each costs a call of zlib. */
const membersMax = 100;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Throws {@link GzipError}, also where more than `bytesMax` octets would come out. */
export function readGzip(file: Buffer, bytesMax: number): Buffer {
  const members: Buffer[] = [];
  let rest = file;
  let left = bytesMax;
  do {
    if (members.length === membersMax) throw new GzipError(`the gzip file has more than ${membersMax} members`);
    const start = endOfHeader(rest);
    const { content, packedBytes } = inflate(rest.subarray(start), left, bytesMax);
    const end = start + packedBytes + trailerBytes;
    if (end > rest.length || rest.readUInt32LE(end - trailerBytes) !== crc32(content)) throw new GzipError(damaged);
    members.push(content);
    left -= content.length;
    rest = rest.subarray(end);
  } while (isGzip(rest));
  return members.length === 1 ? (members[0] ?? Buffer.alloc(0)) : Buffer.concat(members);
}

/** RFC 1952 §2.3: optional parts, each behind its flag. */
function endOfHeader(bytes: Buffer): number {
  if (bytes.length < headerBytes || bytes[2] !== 8) throw new GzipError(damaged);
  const flags = bytes[3] ?? 0;
  let at = headerBytes;
  if ((flags & 4) !== 0) {
    if (at + 2 > bytes.length) throw new GzipError(damaged);
    at += 2 + bytes.readUInt16LE(at);
  }
  // File name and comment, each ended by NUL.
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const nul = bytes.indexOf(0, at);
    if (nul === -1) throw new GzipError(damaged);
    at = nul + 1;
  }
  return (flags & 2) === 0 ? at : at + 2;
}

function inflate(packed: Buffer, left: number, bytesMax: number): { content: Buffer; packedBytes: number } {
  try {
    // The declared type knows nothing of `info`.
    const result: unknown = inflateRawSync(packed, { maxOutputLength: Math.max(1, left), info: true });
    const { buffer, engine } = result as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    return { content: buffer, packedBytes: engine.bytesWritten };
  } catch (error) {
    if (!isTooLarge(error)) throw new GzipError(damaged, { cause: error });
    throw new GzipError(`the gzip file holds more than the ${bytesMax} octets that are read`);
  }
}

/** Of an error that Node's zlib throws. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

const damaged = "the gzip file is damaged or cut off";
