/**
 * Hostile inputs in families that grow: one piece over and over at some place of a good input, an opening over and over and as
 * many closings, or a repetition that just fails to match at its end. What takes more steps than the input grows by is a find.
 */
import type { StepCounter } from "./steps.ts";
import type { FuzzTarget } from "./target.ts";

export interface Probe {
  readonly before: Buffer;
  readonly unit: Buffer;
  /** As often again, behind the units; empty for none. */
  readonly close: Buffer;
  readonly after: Buffer;
}

/** Delimiters of everything read here; a target's own words come on top. */
const delimiters: readonly string[] = [
  ..." \t\r\n\0\\\"'()<>[]{}@,;:.=?*/-+_%!&|#~^$1a".split(""), "\r\n", "\r\n ", "\n\n", "()", "(\\", "\"\\", "\"\"", "<>", "a=", "a=b;", " ;", "; ", "a@b,",
  "<a@b>,", "a.", "1.", "1:", "::", "=?", "?=", "=?utf-8?q?a?= ", "=3D", "%41", "+2B", "&amp;", "&#x41;", "<a>", "</a>", "<a/>", "<!--", "-->", "<![CDATA[",
  "--b\r\n", "X: y\r\n", ".\r\n", "\xc3\xa9", "\xff", "\x80",
]; // prettier-ignore

/** What belongs together: an opening and its closing. */
const pairs: readonly (readonly [string, string])[] = [
  ["(", ")"], ["<", ">"], ["[", "]"], ["{", "}"], ["\"", "\""], ["<a>", "</a>"], ["<!--", "-->"], ["=?", "?="], ["(\\", "\\)"], ["{\"a\":", "}"], ["[1,", "2]"],
]; // prettier-ignore

const placesPerSeed = 24;
const systematicSeeds = 4;
const seedBytesMax = 600;

/** First each delimiter behind a few good inputs; then anything. The same `seed` makes the same sequence, which does not end. */
export function* probesFor(target: FuzzTarget, seed: number): Generator<Probe> {
  const random = new Below(seed);
  const seeds = target.seeds().map((bytes) => bytes.subarray(0, seedBytesMax));
  const places: (readonly [Buffer, number])[] = seeds
    .slice(0, 40)
    .flatMap((bytes) => placesOf(bytes).map((at) => [bytes, at] as const));
  const units = [...new Set([...target.words, ...delimiters])].map((text) => Buffer.from(text, "latin1"));
  const empty: Buffer = Buffer.alloc(0);
  for (const unit of random.shuffled(units)) {
    for (const before of seeds.slice(0, systematicSeeds)) yield { before, unit, close: empty, after: empty };
  }
  for (;;) {
    const [bytes, at] = random.from(places);
    const before = bytes.subarray(0, at);
    // Half of them end where they stand: what was opened stays open.
    const after = random.below(2) === 0 ? bytes.subarray(at) : random.below(2) === 0 ? empty : random.from(units);
    const kind = random.below(8);
    if (kind === 0) {
      const [open, close] = random.from(pairs);
      yield { before, unit: Buffer.from(open), close: Buffer.from(close), after };
    } else if (kind === 1) {
      yield { before, unit: random.from(units), close: random.from(units), after };
    } else {
      const pieces: Buffer[] = Array.from({ length: kind < 6 ? 1 : 2 + random.below(2) }, () => random.from(units));
      // A piece of the good input is what its reader knows best.
      if (kind === 7) pieces.push(bytes.subarray(at, at + 1 + random.below(24)));
      yield { before, unit: Buffer.concat(pieces), close: empty, after };
    }
  }
}

export function grown({ before, unit, close, after }: Probe, bytes: number): Buffer {
  const count = Math.ceil(bytes / Math.max(1, unit.length + close.length));
  const middle = Buffer.concat([Buffer.alloc(unit.length * count, unit), Buffer.alloc(close.length * count, close)]);
  return Buffer.concat([before, middle, after]);
}

/** Eight times the input may take twelve times the steps, which leaves room for sorting and for what grows at its start. */
const growthMax = 12;
const sizes = [1, 2, 4, 8] as const;
/** A find is certain before so many steps, and a probe then ends. */
const stepsMax = 40_000_000;

/** Steps at 1, 2, 4 and 8 times `bytes` where they grow faster than the input. */
export async function superlinear(
  target: FuzzTarget,
  probe: Probe,
  counter: StepCounter,
  bytes: number,
): Promise<readonly number[] | undefined> {
  const stepsAt = (size: number, limit: number) => {
    const input = grown(probe, bytes * size);
    return counter.count(() => target.run(input), limit);
  };
  const once = await stepsAt(1, stepsMax);
  // What is little is no load, even where it grows.
  const allowed = growthMax * Math.max(once, bytes);
  if ((await stepsAt(8, allowed)) < allowed) return undefined;
  const steps: number[] = [];
  for (const size of sizes) steps.push(await stepsAt(size, stepsMax));
  const [, two = 0, four = 0, eight = 0] = steps;
  // A step up at some size is not growth: a limit that is passed, or a way that only long inputs take.
  return (four > 2.4 * two && eight > 2.4 * four) || eight >= stepsMax ? steps : undefined;
}

/** Behind each delimiter, at both ends, and within each long word. */
function placesOf(bytes: Buffer): number[] {
  const places = [0, bytes.length];
  for (let at = 1; at < bytes.length; at++) {
    const isWord = (index: number) => /[\w\x80-\xff]/.test(String.fromCharCode(bytes[index] ?? 0));
    if (!isWord(at - 1) || !isWord(at)) places.push(at);
  }
  const step = Math.max(1, Math.ceil(places.length / placesPerSeed));
  return places.filter((_, index) => index % step === 0 || index < 2);
}

/** xorshift32. */
class Below {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  below(bound: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % bound;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((entry) => [this.below(1 << 30), entry] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, entry]) => entry);
  }

  from<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)];
    if (chosen === undefined) throw new Error("there is nothing to choose from");
    return chosen;
  }
}
