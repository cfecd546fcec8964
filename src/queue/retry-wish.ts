/**
 * "Greylisted, try again in 300 seconds": the wait that a temporary reply asks for, in the words of the servers that say so
 * (postgrey, milter-greylist, sqlgrey, Exim's and rspamd's examples, policyd-weight, Exchange and others; the test lists
 * their phrases).
 *
 * One pass over the text. A word such as "again" or "greylisted" arms it; words that may stand between it and the time keep
 * it armed; anything else disarms it. So `limit of 100 messages in 60 seconds`, an enhanced status or an address is never
 * taken for a wait.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";

/** A reply line has at most 512 octets (RFC 5321 §4.5.3.1.5), and the wish stands in its beginning. */
const textLengthMax = 512;

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const units: ReadonlyMap<string, number> = new Map([
  ...["s", "sec", "secs", "second", "seconds"].map((word) => [word, second] as const),
  ...["m", "min", "mins", "minute", "minutes"].map((word) => [word, minute] as const),
  ...["h", "hr", "hrs", "hour", "hours"].map((word) => [word, hour] as const),
  ...["d", "day", "days"].map((word) => [word, day] as const),
]);

const numberWords: ReadonlyMap<string, number> = new Map(
  ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"].map((word, value) => [
    word,
    value,
  ]),
);

/** Behind one of these a time is a wait. */
const cues: ReadonlySet<string> = new Set(
  (
    "again back come retry retrying resend resubmit try wait waiting delay delayed defer deferred penalty remaining " +
    "greylist greylisted greylisting graylist graylisted graylisting blocked banned later"
  ).split(" "),
);

/** These may stand between the cue and the time. */
const fillers: ReadonlySet<string> = new Set(
  (
    "in after for of the a an another at least about approx approximately around is be by to until next please not " +
    "before sooner than your you this message mail email e sending delivery attempt time period minimum and action effect left"
  ).split(" "),
);

/** `3:59` behind this is the time of a day, and `24 hours` behind the others a limit. */
const noWaitAfter: ReadonlySet<string> = new Set(["within", "per", "every", "last", "past"]);

/** In milliseconds; undefined where the text names none. */
export function wishedDelayMs(text: string): number | undefined {
  const tokens =
    asciiLowerCase(text.slice(0, textLengthMax)).match(/\d{1,6}(?::\d{1,2}){1,2}(?![\d:])|\d+|[a-z]+|[^a-z\d\s]/g) ??
    [];
  let armed = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    if (cues.has(token)) {
      armed = true;
      continue;
    }
    if (!armed) continue;
    const span = spanAt(tokens, at);
    if (span !== undefined) {
      if (span.ms > 0) return span.ms;
      armed = false;
    } else if (!fillers.has(token) && !/^[,:;()=<>"'-]$/.test(token)) {
      armed = false;
    }
    if (noWaitAfter.has(token)) armed = false;
  }
  return undefined;
}

interface Span {
  /** 0: a time, but no wait. */
  readonly ms: number;
}

/** The span of time that begins with this token: `00:15:00`, `5 min`, `an hour`, `1 hour and 30 minutes`. */
function spanAt(tokens: readonly string[], start: number): Span | undefined {
  const first = tokens[start] ?? "";
  if (first.length > 1 && first.includes(":")) return { ms: tokens[start - 1] === "at" ? 0 : clockMs(first) };
  let ms = 0;
  let at = start;
  for (;;) {
    const [count, unitAt] = countAt(tokens, at);
    const unit = units.get(tokens[unitAt] ?? "");
    if (count === undefined || unit === undefined) break;
    ms += count * unit;
    at = unitAt + 1;
    // "1 hour, 30 minutes", "1 hour and 30 minutes".
    if ((tokens[at] === "and" || tokens[at] === ",") && countAt(tokens, at + 1)[0] !== undefined) at++;
  }
  if (at === start) return undefined;
  return { ms: tokens[at] === "ago" ? 0 : ms };
}

/** A count and where its unit stands. */
function countAt(tokens: readonly string[], at: number): readonly [count: number | undefined, unitAt: number] {
  const token = tokens[at] ?? "";
  if (token === "half" && tokens[at + 1] === "an") return [0.5, at + 2];
  if (token === "a" || token === "an") return [1, at + 1];
  if (/^\d{1,7}$/.test(token)) return [Number(token), at + 1];
  return [numberWords.get(token), at + 1];
}

/** `HH:MM:SS` or `MM:SS`. */
function clockMs(text: string): number {
  const [first = 0, middle = 0, last] = text.split(":").map(Number);
  return last === undefined ? first * minute + middle * second : first * hour + middle * minute + last * second;
}
