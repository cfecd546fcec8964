/**
 * What a file from a stranger really holds, told from its first octets and never from its name or declared type: gzip and
 * zip are opened, anything else is taken as it is. Bounded in size and in how much larger the content may be than
 * what it came in, so that a bomb of kilobytes costs no more than megabytes of work.
 */
import { GzipError, isGzip, readGzip } from "./gzip-reader.ts";
import { readZip, ZipError } from "./zip-reader.ts";

export interface UnpackLimits {
  /** Octets of all that comes out. */
  readonly bytesMax: number;
}

export type Unpacked =
  | { readonly kind: "files"; readonly files: readonly Buffer[] }
  /** A sentence without a capital or full stop. */
  | { readonly kind: "refused"; readonly reason: string };

/** Real reports shrink to a tenth up to a fiftieth; deflate can reach a thousandth. */
const ratioMax = 250;
/** Below this the ratio says nothing: a short report full of equal rows. */
const freeBytes = 1024 * 1024;
/** An archive with one report; some add a text beside it. */
const filesMax = 10;
/** A zip with a gzip inside is seen; what is wrapped more often hides something. */
const layersMax = 2;

export function unpack(bytes: Buffer, { bytesMax }: UnpackLimits): Unpacked {
  const budget = Math.min(bytesMax, Math.max(freeBytes, bytes.length * ratioMax));
  if (!isPacked(bytes)) return { kind: "files", files: [bytes] };
  try {
    return { kind: "files", files: open(bytes, budget, 1) };
  } catch (error) {
    const expected = error instanceof UnpackError || error instanceof GzipError || error instanceof ZipError;
    if (expected) return { kind: "refused", reason: error.message };
    throw error;
  }
}

class UnpackError extends Error {
  override readonly name = "UnpackError";
}

function open(bytes: Buffer, budget: number, layer: number): readonly Buffer[] {
  const opened = isGzip(bytes)
    ? [readGzip(bytes, budget)]
    : readZip(bytes, { bytesMax: budget, filesMax }).map((file) => file.bytes);
  let left = budget;
  return opened.flatMap((inner) => {
    if (!isPacked(inner)) return [inner];
    if (layer === layersMax) throw new UnpackError("the report is packed inside a pack inside a pack");
    const found = open(inner, left, layer + 1);
    left -= found.reduce((sum, { length }) => sum + length, 0);
    return found;
  });
}

function isPacked(bytes: Buffer): boolean {
  return isGzip(bytes) || isZip(bytes);
}

function isZip(bytes: Buffer): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}
