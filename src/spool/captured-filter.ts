/**
 * What a list of captured mail selects, and how: whole values by default, parts and patterns where asked for by name.
 * Addresses are compared as addresses. Everything here takes time linear in the text that is looked at, whatever the
 * filter says.
 */
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { CapturedEntry, CapturedFilter } from "./captured-mail.ts";

/** As far as an index goes into a value: longer ones are told apart by the filter. */
const termLength = 200;

/** Under these an entry is found without looking at others. */
export function termsOf(entry: CapturedEntry): readonly string[] {
  const terms = [
    ...entry.to.map((address) => term("t", addressKey(address))),
    ...sendersOf(entry).map((address) => term("f", addressKey(address))),
    term("s", textKey(entry.subject)),
  ];
  return [...new Set(terms)];
}

/** The rarest term that every match must have; undefined: all entries have to be looked at. */
export function indexTermOf({ to, from, subject }: CapturedFilter): string | undefined {
  if (to !== undefined) return term("t", addressKey(to));
  if (subject !== undefined) return term("s", textKey(subject));
  return from === undefined ? undefined : term("f", addressKey(from));
}

function term(kind: "t" | "f" | "s", key: string): string {
  return `${kind}:${key.slice(0, termLength)}`;
}

/** A filter made ready for many entries. */
export function compileFilter(filter: CapturedFilter): (entry: CapturedEntry) => boolean {
  const to = compileAddress(filter.to, filter.to_contains, filter.to_pattern);
  const from = compileAddress(filter.from, filter.from_contains, filter.from_pattern);
  const subject = compileSubject(filter);
  return (entry) =>
    (to === undefined || entry.to.some(to)) &&
    (from === undefined || sendersOf(entry).some(from)) &&
    (subject === undefined || subject(entry.subject));
}

type Test = (text: string) => boolean;

/** One address has to satisfy all three. */
function compileAddress(whole?: string, part?: string, pattern?: string): Test | undefined {
  const tests: Test[] = [];
  if (whole !== undefined) {
    const wanted = addressKey(whole);
    tests.push((text) => addressKey(text) === wanted);
  }
  tests.push(...compileParts(part, pattern));
  return allOf(tests);
}

function compileSubject({ subject, subject_contains: part, subject_pattern: pattern }: CapturedFilter) {
  const tests: Test[] = [];
  if (subject !== undefined) {
    const wanted = textKey(subject);
    tests.push((text) => textKey(text) === wanted);
  }
  tests.push(...compileParts(part, pattern));
  return allOf(tests);
}

function compileParts(part: string | undefined, pattern: string | undefined): readonly Test[] {
  const tests: Test[] = [];
  if (part !== undefined) {
    const wanted = textKey(part);
    tests.push((text) => textKey(text).includes(wanted));
  }
  if (pattern !== undefined) tests.push(compilePattern(pattern));
  return tests;
}

function allOf(tests: readonly Test[]): Test | undefined {
  return tests.length === 0 ? undefined : (text) => tests.every((test) => test(text));
}

/**
 * The pieces between the stars are looked for from left to right, each at its first place after the piece before. That
 * finds a match wherever there is one, and never goes back.
 */
export function compilePattern(pattern: string): Test {
  const [first = "", ...rest] = textKey(pattern).split("*");
  const last = rest.pop();
  if (last === undefined) return (text) => textKey(text) === first;
  const between = rest.filter((piece) => piece !== "");
  return (given) => {
    const text = textKey(given);
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of between) {
      const found = text.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
}

function sendersOf({ from, authors = [] }: CapturedEntry): readonly string[] {
  return [from, ...authors];
}

/** What is no address is compared as text. */
function addressKey(text: string): string {
  const mailbox = parseMailbox(text);
  return mailbox === undefined ? textKey(text) : mailboxKey(mailbox);
}

function textKey(text: string): string {
  return text.normalize("NFC").toLowerCase();
}
