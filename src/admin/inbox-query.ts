/**
 * The query of a request to the inbox, read strictly: what is unknown, empty, given twice or not meant for the request is
 * an error. A filter that is passed over in silence gives a test the wrong mail, and a deletion all of it.
 */
import { parseMailbox } from "../address/mailbox-text.ts";
import { nearest } from "../lib/nearest.ts";
import { type CapturedFilter, capturedFilterNames } from "../spool/captured-mail.ts";

/** Longer values find nothing, or cost more than they are worth. */
const valueLengthMax = 1_000;
export const pageLimitMax = 1_000;
/** Each is read and parsed whole. */
const countMax = 100;
const defaultWaitMs = 30_000;
/** Proxies and clients give up on a silent request about here. */
const waitMsMax = 300_000;

/** What is wrong with a query, as a sentence for the one who wrote it. */
export class QueryError extends Error {
  override readonly name = "QueryError";
}

export interface InboxQuery {
  readonly filter: CapturedFilter;
  readonly after?: string;
  readonly before?: string;
  readonly limit: number;
  /** undefined: one message is wanted, and not a list. */
  readonly count: number | undefined;
  readonly timeoutMs: number;
}

type Range = "after" | "before" | "limit" | "count" | "timeout";

/** `url` of the request; `ranges`: what it takes besides filters. Throws {@link QueryError}. */
export function parseInboxQuery(url: string, ranges: readonly Range[]): InboxQuery {
  const values = readValues(new URL(url).searchParams, [...capturedFilterNames, ...ranges]);
  const count = values.get("count");
  const limit = values.get("limit");
  return {
    filter: filterOf(values),
    ...optional("after", values.get("after")),
    ...optional("before", values.get("before")),
    limit: limit === undefined ? pageLimitMax : wholeNumber("limit", limit, pageLimitMax),
    count: count === undefined ? undefined : wholeNumber("count", count, countMax),
    timeoutMs: parseWait(values.get("timeout")),
  };
}

/** For requests that take no query. Throws {@link QueryError}. */
export function refuseQuery(url: string): void {
  readValues(new URL(url).searchParams, []);
}

function readValues(given: URLSearchParams, known: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of given) {
    const shown = JSON.stringify(name.slice(0, 50));
    if (!known.includes(name))
      throw new QueryError(`${shown} is not a parameter of this request${suggestion(name, known)}`);
    if (values.has(name)) throw new QueryError(`${shown} is given twice`);
    if (value === "") throw new QueryError(`${shown} is empty; leave it out, or give it a value`);
    if (value.length > valueLengthMax) throw new QueryError(`${shown} is longer than ${valueLengthMax} characters`);
    values.set(name, value);
  }
  return values;
}

function suggestion(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  if (meant !== undefined) return `; did you mean ${meant}?`;
  return known.length === 0 ? ", which takes none" : `; there are ${known.join(", ")}`;
}

function filterOf(values: ReadonlyMap<string, string>): CapturedFilter {
  const filter: { -readonly [Name in keyof CapturedFilter]: string } = {};
  for (const name of capturedFilterNames) {
    const value = values.get(name);
    if (value !== undefined) filter[name] = name === "to" || name === "from" ? addressOf(name, value) : value;
  }
  return filter;
}

/** With or without angle brackets; `<>` is the null reverse-path. */
function addressOf(name: "to" | "from", value: string): string {
  const bare = value.startsWith("<") && value.endsWith(">") ? value.slice(1, -1) : value;
  if ((bare === "" && name === "from") || parseMailbox(bare) !== undefined) return bare;
  const shown = JSON.stringify(value.slice(0, 100));
  const hint = value.includes(" ")
    ? "; a + in a query means a space, so write it as %2B"
    : `; ${name}_contains looks for a part`;
  throw new QueryError(`${name} takes a whole address, and ${shown} is not one${hint}`);
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new QueryError(`${name} takes a whole number from 1 to ${max}`);
}

/** `30`, `30s`, `500ms`, `2m`. */
function parseWait(text: string | undefined): number {
  if (text === undefined) return defaultWaitMs;
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text);
  const milliseconds = Number(match?.[1]) * { ms: 1, s: 1000, m: 60_000 }[(match?.[2] ?? "s") as "ms" | "s" | "m"];
  if (milliseconds <= waitMsMax) return milliseconds;
  throw new QueryError("timeout takes a time such as 30s, 500ms or 2m (a number alone counts seconds), up to 300s");
}

function optional<Name extends string>(name: Name, value: string | undefined): { readonly [N in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [N in Name]: string });
}

/** What was looked for, in words: `to ann@example.org, with "Sign in" in the subject`. */
export function describeFilter(filter: CapturedFilter): string {
  const parts = capturedFilterNames.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [filterWords[name](value === "" ? "<>" : value)];
  });
  return parts.join(", ");
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 200));

const filterWords: Readonly<Record<keyof CapturedFilter, (value: string) => string>> = {
  to: (value) => `to ${value}`,
  from: (value) => `from ${value}`,
  subject: (value) => `with the subject ${quoted(value)}`,
  to_contains: (value) => `to an address that contains ${quoted(value)}`,
  from_contains: (value) => `from an address that contains ${quoted(value)}`,
  subject_contains: (value) => `with ${quoted(value)} in the subject`,
  to_pattern: (value) => `to an address like ${quoted(value)}`,
  from_pattern: (value) => `from an address like ${quoted(value)}`,
  subject_pattern: (value) => `with a subject like ${quoted(value)}`,
};
