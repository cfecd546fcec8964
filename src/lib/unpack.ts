/**
 * What a file from a stranger really holds, told from its first octets and never from its name or declared type: gzip and
 * zip are opened, anything else is taken as it is. Bounded in size and in how much larger the content may be than
 * what it came in, so that a bomb of kilobytes costs no more than megabytes of work.
 */
import { GzipError, isGzip, readGzip } from "./gzip-reader.ts";
import { readZip, ZipError } from "./zip-reader.ts";

export interface UnpackLimits {
  /** Octets of all that is inflated, what is packed again included. */
  readonly bytesMax: number;
}

/** `cost`: octets that were inflated, or may have been; what whoever opens several files has less for the next. */
export type Unpacked =
  | { readonly kind: "files"; readonly files: readonly Buffer[]; readonly cost: number }
  /** A sentence without a capital or full stop. */
  | { readonly kind: "refused"; readonly reason: string; readonly cost: number };

/** Real reports shrink to a tenth up to a fiftieth; deflate can reach a thousandth. */
const ratioMax = 250;
/** Below this the ratio says nothing: a short report full of equal rows. */
const freeBytes = 1024 * 1024;
/** An archive with one report; some add a text beside it. */
const filesMax = 10;
/** A zip with a gzip inside is seen; what is wrapped more often hides something. */
const layersMax = 2;

export function unpack(bytes: Buffer, { bytesMax }: UnpackLimits): Unpacked {
  if (!isPacked(bytes)) return { kind: "files", files: [bytes], cost: 0 };
  const budget = Math.min(bytesMax, Math.max(freeBytes, bytes.length * ratioMax));
  try {
    return { kind: "files", ...open(bytes, budget, 1) };
  } catch (error) {
    const expected = error instanceof UnpackError || error instanceof GzipError || error instanceof ZipError;
    // How much was inflated before the fault showed is not known.
    if (expected) return { kind: "refused", reason: error.message, cost: budget };
    throw error;
  }
}

class UnpackError extends Error {
  override readonly name = "UnpackError";
}

function open(
  bytes: Buffer,
  budget: number,
  layer: number,
): { readonly files: readonly Buffer[]; readonly cost: number } {
  const opened = isGzip(bytes)
    ? [readGzip(bytes, budget)]
    : readZip(bytes, { bytesMax: budget, filesMax }).map((file) => file.bytes);
  let cost = opened.reduce((sum, { length }) => sum + length, 0);
  const files = opened.flatMap((inner) => {
    if (!isPacked(inner)) return [inner];
    if (layer === layersMax) throw new UnpackError("the report is packed inside a pack inside a pack");
    const found = open(inner, budget - cost, layer + 1);
    cost += found.cost;
    return found.files;
  });
  return { files, cost };
}

function isPacked(bytes: Buffer): boolean {
  return isGzip(bytes) || isZip(bytes);
}

function isZip(bytes: Buffer): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}
