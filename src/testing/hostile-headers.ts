/**
 * Content whose beginning is made to be read in two ways, from a seed: lines that may be fields, continuations, empty or
 * nothing, with line ends that may be none. For tests only.
 */
import type { SeededRandom } from "./seeded-random.ts";

const names = [
  "From", "from", "FROM", "Sender", "To", "Subject", "Reply-To", "Received", "Authentication-Results", "Return-Path", "Delivered-To",
  "Date", "X-A", "X.B_c", "From:From", "Content-Language", "!#$%&'*+-/=?^_`{|}~", "a".repeat(70), "n".repeat(1200),
]; // prettier-ignore
const separators = [
  ":",
  ": ",
  ": ",
  ": ",
  ": ",
  " : ",
  "\t:",
  " \t : ",
  "::",
  "",
  " ",
  ";",
  "=",
  "\u00a0:",
  "\u3000: ",
  "\u000b:",
  "\0:",
];
const values = [
  "ceo@bank.test", "The Bank <ceo@bank.test>", "a@evil.test", "x", "", " ", "\t", "mail.ours.test; dmarc=pass header.from=bank.test", "From: ceo@bank.test",
  "=?utf-8?q?x=0D=0AFrom:_ceo=40bank.test?=", "\"quoted\r\n string\" <a@b.test>", "(comment", "é", "\u0085From: x@y.test", "\u2028From: x@y.test", "v\u000bw", "v\u000cw",
  "\u001c\u001d\u001e", "x ".repeat(600),
]; // prettier-ignore
/** Lines that no rule calls a field, though some program may. */
const strange = [
  "hello", "From ceo@bank.test Thu Jan  1 00:00:00 2026", ">From ceo@bank.test", ">From: ceo@bank.test", "From ceo@bank.test: x", ": no name", ":", "-- ", "--b", ".",
  "X Y: z", "Fröm: x@y.test", "\ufeffFrom: ceo@bank.test", "\u00a0From: ceo@bank.test", "\u000bFrom: ceo@bank.test", "\u000cFrom: ceo@bank.test",
  "\u2028From: ceo@bank.test", "\u0085From: ceo@bank.test", "\u001fFrom: ceo@bank.test", "\u007fFrom: ceo@bank.test", "\0From: ceo@bank.test", "\"From\": ceo@bank.test", "(c) From: ceo@bank.test", "=?utf-8?q?From?=: ceo@bank.test",
]; // prettier-ignore
const continuations = [" folded", "\tfolded", "  From: ceo@bank.test", " ", "\t", " \t ", "   \u00a0", " : x", "\t:"];
const lineEnds = ["\n", "\r", "\r\r\n", "\n\r\n", "\r\n\n", "\0\r\n", ""];

export interface HostileOptions {
  /** How often a line ends in something else than CRLF: BDAT can bring such lines, DATA cannot. Default: one in eight. */
  readonly oddLineEnds?: number;
}

/** Different content for each step of `random`; at most some 20 KB. */
export function hostileContent(random: SeededRandom, { oddLineEnds = 1 / 8 }: HostileOptions = {}): Buffer {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  // Many messages have none, so that they are stored and read.
  const odd = random.next() < 0.5 ? oddLineEnds : 0;
  const lines = Array.from({ length: Math.floor(random.next() * 9) }, () => {
    const kind = random.next();
    if (kind < 0.6) return `${pick(names)}${pick(separators)}${pick(values)}`;
    if (kind < 0.8) return pick(continuations);
    if (kind < 0.9) return pick(strange);
    return "";
  });
  let text = "";
  for (const line of lines) text += `${line}${random.next() < odd ? pick(lineEnds) : "\r\n"}`;
  if (random.next() < 0.7) text += "\r\nFrom: body@evil.test\r\n\r\nbody\r\n";
  return Buffer.from(text, random.next() < 0.5 ? "utf8" : "latin1");
}
