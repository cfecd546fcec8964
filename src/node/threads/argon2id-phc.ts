/**
 * argon2id verifiers as text, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` (the PHC string format). Reading is strict and
 * bounded: a verifier comes from a file or a database, and must not be able to ask for all memory or minutes of work.
 */
export interface Argon2idVerifier {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** 256 MiB: four times the strongest profile of RFC 9106 that a busy server would choose (64 MiB). */
const memoryKibMax = 262_144;
const passesMax = 16;
const lanesMax = 16;
/** Memory times passes is the work: 1 GiB of it is about a second. */
const workKibMax = 1_048_576;
const textMax = 256;

const shape =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;

/** Undefined where it is anything else, or out of bounds. */
export function parseArgon2id(text: string): Argon2idVerifier | undefined {
  const match = text.length <= textMax ? shape.exec(text) : null;
  if (match === null) return undefined;
  const [, memory = "", times = "", parallelism = "", salt64 = "", hash64 = ""] = match;
  const memoryKib = Number(memory);
  const passes = Number(times);
  const lanes = Number(parallelism);
  if (memoryKib > memoryKibMax || passes > passesMax || lanes > lanesMax) return undefined;
  // RFC 9106 §3.1: at least eight blocks for each lane.
  if (memoryKib < 8 * lanes || memoryKib * passes > workKibMax) return undefined;
  const salt = Buffer.from(salt64, "base64");
  const hash = Buffer.from(hash64, "base64");
  return { memoryKib, passes, lanes, salt, hash };
}

export function formatArgon2id({ memoryKib, passes, lanes, salt, hash }: Argon2idVerifier): string {
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(hash)}`;
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("base64")
    .replace(/={1,2}$/, "");
}
