/**
 * Queue ids: twelve characters of Crockford's base 32 that rise with time, so that rows and files of one time lie
 * together and a person can read an id over the telephone. Forty bits of milliseconds since 2024 (until late 2058), four
 * bits of the thread that made it, sixteen bits that start at random in each millisecond and count on. Owns making and
 * reading them, nothing else.
 */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";

/** Twelve characters of Crockford's base 32, rising with time: `4QJ7ZC2M9KXD`. */
export type QueueId = string;

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const epoch = Date.UTC(2024, 0, 1);
/** Threads that may make ids for one spool. */
const threads = 2 ** 4;
const sequences = 2 ** 16;

/** Unique and rising within one thread, whatever the clock does; the spool nevertheless refuses an id that is taken. */
export class QueueIds {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #thread: number;
  #milliseconds = -1;
  #sequence = 0;
  #prefix = "";

  /** `thread`: the number of the thread that makes them, so that no two of one spool make the same. */
  constructor(clock: Clock, random: Random, thread = 0) {
    if (!(thread >= 0 && thread < threads)) throw new RangeError(`there is no room for thread ${thread} in an id`);
    this.#thread = thread;
    this.#clock = clock;
    this.#random = random;
  }

  next(): QueueId {
    const now = Math.max(0, Math.floor(this.#clock.now()) - epoch);
    if (now > this.#milliseconds) {
      // Starting in the lower half leaves 32,768 ids for this millisecond.
      this.#start(now, Math.floor(this.#random.next() * (sequences / 2)));
    } else if (++this.#sequence === sequences) {
      // Used up: time is borrowed from the next millisecond. Also where the clock went back for long.
      this.#start(this.#milliseconds + 1, 0);
    }
    const sequence = this.#sequence;
    return (
      this.#prefix +
      alphabet.charAt((this.#thread << 1) | (sequence >>> 15)) +
      alphabet.charAt((sequence >>> 10) & 31) +
      alphabet.charAt((sequence >>> 5) & 31) +
      alphabet.charAt(sequence & 31)
    );
  }

  #start(milliseconds: number, sequence: number): void {
    this.#milliseconds = milliseconds;
    this.#sequence = sequence;
    let prefix = "";
    for (let rest = milliseconds, digit = 0; digit < 8; digit++, rest = Math.floor(rest / 32)) {
      prefix = alphabet.charAt(rest % 32) + prefix;
    }
    this.#prefix = prefix;
  }
}

/**
 * Reads an id as a person may type it: in any case, `O` for `0`, `I` or `L` for `1`. undefined for anything else.
 */
export function parseQueueId(text: string): QueueId | undefined {
  if (text.length !== 12) return undefined;
  const id = asciiUpperCase(text).replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{12}$/.test(id) ? id : undefined;
}

/** When an id of {@link parseQueueId} was made: a time not after the commit of its message. */
export function timeOfQueueId(id: QueueId): Instant {
  let milliseconds = 0;
  for (const digit of id.slice(0, 8)) milliseconds = milliseconds * 32 + alphabet.indexOf(digit);
  return epoch + milliseconds;
}
