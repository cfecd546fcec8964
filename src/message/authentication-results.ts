/**
 * Authentication-Results (RFC 8601): written, read, and recognised where it claims to be ours.
 *
 * Senders choose much of what the field repeats. Whatever they chose, a written field is one field: values that are
 * more than a token or an address are quoted, and control characters are gone. Which results there are, and whether a
 * field found in a message is to be trusted, is for those who ask.
 */
import { domainKeyOf } from "../address/domain.ts";
import { asciiLowerCase, hasNonAscii } from "../lib/ascii-case.ts";
import type { HeaderField } from "./header-section.ts";
import { ResultsCursor } from "./results-cursor.ts";
import { commentText, quotedText } from "./safe-text.ts";

export interface ResultProperty {
  /** `smtp`, `header`, `body`, `policy`; "" where a reader found a bare `name=value`. */
  readonly type: string;
  readonly property: string;
  readonly value: string;
}

/** What one method found (RFC 8601 §2.2 `resinfo`). */
export interface MethodResult {
  /** `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`, … */
  readonly method: string;
  readonly result: string;
  readonly reason?: string;
  readonly properties: readonly ResultProperty[];
  /** For people; stands behind the result. */
  readonly comment?: string;
}

export interface AuthenticationResults {
  readonly authservId: string;
  readonly version?: string;
  /** Empty for `none`. */
  readonly results: readonly MethodResult[];
}

/** RFC 5322 §2.1.1. */
const lineLength = 78;
/** Longer values are cut, which {@link quotedText} does. */
const bareLengthMax = 320;

/**
 * What stands behind the authserv-id, beginning with its semicolon, each result on a line of its own, without the last
 * CRLF; an ARC-Authentication-Results says it again (RFC 8617 §4.1.1). Without results it says `none`.
 */
export function formatResults(results: readonly MethodResult[]): string {
  if (results.length === 0) return "; none";
  return results.map((result) => `;\r\n\t${formatResult(result)}`).join("");
}

function formatResult({ method, result, reason, properties, comment }: MethodResult): string {
  let text = `${keyword(method)}=${keyword(result)}`;
  // The tab counts as eight columns.
  let used = 8 + text.length;
  const add = (word: string): void => {
    // The semicolon that may follow has to fit too.
    const folded = used + 2 + word.length > lineLength;
    text += folded ? `\r\n\t ${word}` : ` ${word}`;
    used = (folded ? 9 : used + 1) + word.length;
  };
  if (comment !== undefined && comment !== "") commentText(comment).split(" ").forEach(add);
  // Only folding splits at the blanks of a quoted string: unfolding gives back the one blank.
  if (reason !== undefined && reason !== "") add(`reason=${formatValue(reason)}`);
  for (const { type, property, value } of properties) {
    add(`${keyword(type)}.${keyword(property)}=${formatValue(value)}`);
  }
  return text;
}

/** Words of the fields that we write ourselves. */
const knownKeywords: ReadonlySet<string> = new Set(
  "spf dkim dmarc arc iprev pass fail none neutral softfail temperror permerror policy smtp header mailfrom helo from d i s a b".split(
    " ",
  ),
);

/** RFC 5321's `Keyword`, of which methods, results and properties consist. */
function keyword(text: string): string {
  if (knownKeywords.has(text)) return text;
  return /^[A-Za-z0-9-]+$/.test(text) ? text : text.replaceAll(/[^A-Za-z0-9-]+/g, "-") || "-";
}

/** Token of RFC 2045 §5.1, or `[[local-part]@]domain-name` (RFC 8601 §2.2 `pvalue`). */
const bareValue = /^(?:[\w!#$%&'*+.^`{|}~-]+|[\w!#$%&'*+/=?^`{|}~.-]{0,64}@[A-Za-z0-9_.-]+)$/;

function formatValue(value: string): string {
  const text = toAscii(value);
  if (bareValue.test(text) && text.length <= bareLengthMax) return text;
  return quotedText(text);
}

/** A domain, also behind `@`, in A-labels (RFC 8616 §4 keeps the field of an ordinary message ASCII). */
function toAscii(value: string): string {
  if (!hasNonAscii(value)) return value;
  const at = value.lastIndexOf("@");
  const domain = domainKeyOf(value.slice(at + 1));
  return domain === undefined ? value : value.slice(0, at + 1) + domain;
}

/** A longer field is not one that a host wrote about one message. */
const fieldLengthMax = 64 * 1024;
/** Signatures and seals of a message are fewer by far. */
const resultsMax = 200;
const propertiesMax = 100;

/**
 * Reads a field's value, folded or not. As lenient as real fields need: a last semicolon, values that should be quoted,
 * properties without a type. Undefined where it is no such field, or of a version other than 1.
 */
export function parseAuthenticationResults(value: string): AuthenticationResults | undefined {
  if (value.length > fieldLengthMax) return undefined;
  const cursor = new ResultsCursor(value);
  cursor.skipBlanks();
  const authservId = cursor.takeValue("=");
  if (authservId === undefined || authservId === "") return undefined;
  cursor.skipBlanks();
  const version = cursor.takePattern(/\d+/y);
  if (version !== undefined && Number(version) !== 1) return undefined;
  cursor.skipBlanks();
  const results = parseResults(cursor);
  if (results === undefined || cursor.broken) return undefined;
  return version === undefined ? { authservId, results } : { authservId, version, results };
}

function parseResults(cursor: ResultsCursor): readonly MethodResult[] | undefined {
  const results: MethodResult[] = [];
  let none = false;
  while (!cursor.atEnd) {
    if (!cursor.takeSign(";")) return undefined;
    cursor.skipBlanks();
    if (cursor.atEnd || cursor.at(";")) continue;
    const method = cursor.takePattern(/[^\s;=/()"]+/y);
    if (method === undefined) return undefined;
    cursor.skipBlanks();
    if (asciiLowerCase(method) === "none" && (cursor.atEnd || cursor.at(";"))) {
      none = true;
      continue;
    }
    const result = parseResult(cursor, method);
    if (result === undefined || results.length === resultsMax) return undefined;
    results.push(result);
  }
  return results.length > 0 || none ? results : undefined;
}

function parseResult(cursor: ResultsCursor, method: string): MethodResult | undefined {
  if (cursor.takeSign("/")) {
    cursor.skipBlanks();
    if (cursor.takePattern(/\d+/y) === undefined) return undefined;
    cursor.skipBlanks();
  }
  if (!cursor.takeSign("=")) return undefined;
  cursor.skipBlanks();
  const result = cursor.takePattern(/[^\s;=/()"]+/y);
  if (result === undefined) return undefined;
  const comment = cursor.skipBlanks();
  const properties: ResultProperty[] = [];
  let reason: string | undefined;
  while (!cursor.atEnd && !cursor.at(";")) {
    const property = parseProperty(cursor);
    if (property === undefined || properties.length === propertiesMax) return undefined;
    if (property.type === "" && property.property === "reason") reason ??= property.value;
    else properties.push(property);
  }
  return {
    method: asciiLowerCase(method),
    result: asciiLowerCase(result),
    properties,
    ...(reason !== undefined && { reason }),
    ...(comment !== undefined && { comment }),
  };
}

/** `type.property=value`, `reason=value`, and what some write: `name=value`. Names become lower case. */
function parseProperty(cursor: ResultsCursor): ResultProperty | undefined {
  let type = "";
  let property = asciiLowerCase(cursor.takePattern(/[^\s;=.()"]+/y) ?? "");
  if (property === "") return undefined;
  cursor.skipBlanks();
  if (cursor.takeSign(".")) {
    cursor.skipBlanks();
    type = property;
    // Registered properties have no further dot, real ones do now and then.
    property = asciiLowerCase(cursor.takePattern(/[^\s;=()"]+/y) ?? "");
    if (property === "") return undefined;
    cursor.skipBlanks();
  }
  if (!cursor.takeSign("=")) return undefined;
  cursor.skipBlanks();
  const value = cursor.takeValue("") ?? "";
  cursor.skipBlanks();
  return { type, property, value };
}

/**
 * Whether a field is an Authentication-Results that some reader could take for one of ours (RFC 8601 §5): it names one of
 * `ids` in any case, quoted, with a version, with comments and folding in odd places, or in the other form of an
 * internationalised name. A field that is too broken to tell whose it is counts as ours: nobody else misses it.
 */
export function bearsAuthservId(field: HeaderField, ids: readonly string[]): boolean {
  if (field.name !== "authentication-results") return false;
  const cursor = new ResultsCursor(field.value);
  const head = cursor.takeHead();
  if (cursor.broken) return true;
  const readings = new Set<string>();
  for (const reading of [head.spaced.trim().split(/[\s,/=]/, 1)[0] ?? "", head.joined]) readings.add(idKey(reading));
  return ids.some((id) => readings.has(idKey(id)));
}

function idKey(id: string): string {
  const name = id.normalize("NFKC").replace(/\.$/, "");
  return domainKeyOf(name) ?? asciiLowerCase(name);
}
