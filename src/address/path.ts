/**
 * Reverse-paths and forward-paths as they stand in MAIL and RCPT (RFC 5321 §4.1.2), angle brackets included. Source routes
 * are checked and dropped (RFC 5321 §3.3, §4.1.1.3). What follows the closing bracket is left to the caller.
 */
import { domainKeyOf } from "./domain.ts";
import { hasNonAscii } from "../lib/ascii-case.ts";
import {
  addressFailure,
  endOfDomain,
  scanLocalPart,
  scanMailbox,
  type AddressFailure,
  type ScannedMailbox,
} from "./mailbox-grammar.ts";
import type { Mailbox } from "./mailbox.ts";

export type { AddressFailure, AddressFailureReason } from "./mailbox-grammar.ts";

export interface PathOptions {
  /** The command carries SMTPUTF8 (RFC 6531 §3.4). */
  readonly smtpUtf8: boolean;
  /** For clients of our own: angle brackets may be missing, and an address without a domain gets this one. */
  readonly completeWith?: string;
}

export interface ParsedPath<P> {
  readonly kind: "path";
  readonly path: P;
  /** Index behind the closing bracket, or behind the address where it has no brackets. */
  readonly end: number;
}

/** Path of MAIL; `null` is the null reverse-path `<>`. `text` is all that follows `FROM:`. */
export function parseReversePath(text: string, options: PathOptions): ParsedPath<Mailbox | null> | AddressFailure {
  if (text.startsWith("<>")) return { kind: "path", path: null, end: 2 };
  return parsePath(text, options);
}

/** Path of RCPT; `<postmaster>` in any letter case needs no domain (RFC 5321 §4.5.1). */
export function parseForwardPath(text: string, options: PathOptions): ParsedPath<Mailbox> | AddressFailure {
  if (text.startsWith("<>")) return addressFailure("null-path", "The null path is no recipient");
  if (/^<postmaster>/i.test(text)) {
    return { kind: "path", path: { localPart: text.slice(1, 11), domain: "", domainKey: "" }, end: 12 };
  }
  return parsePath(text, options);
}

function parsePath(text: string, options: PathOptions): ParsedPath<Mailbox> | AddressFailure {
  const { completeWith } = options;
  const bracketed = text.startsWith("<");
  if (!bracketed && completeWith === undefined) {
    return addressFailure("syntax", "The address needs angle brackets: <ann@example.org>");
  }
  const start = bracketed ? (text.charAt(1) === "@" ? endOfSourceRoute(text) : 1) : 0;
  if (start === undefined) return addressFailure("syntax", "The source route is malformed");
  const scanned = scanAddress(text, start, completeWith);
  if (scanned.kind === "failure") return scanned;
  const next = text.charAt(scanned.end);
  if (bracketed && next !== ">") return addressFailure("syntax", "The closing angle bracket is missing");
  if (!bracketed && next !== "" && next !== " ") return addressFailure("syntax", "The address needs angle brackets");
  const end = scanned.end + (bracketed ? 1 : 0);
  if (!options.smtpUtf8 && hasNonAscii(text.slice(0, end))) {
    return addressFailure("non-ascii", "An address outside ASCII needs SMTPUTF8");
  }
  return { kind: "path", path: scanned.mailbox, end };
}

/** Index behind `@a.example,@b.example:`. */
function endOfSourceRoute(text: string): number | undefined {
  let index = 1;
  for (;;) {
    if (text.charAt(index) !== "@") return undefined;
    const end = endOfDomain(text, index + 1);
    if (domainKeyOf(text.slice(index + 1, end)) === undefined) return undefined;
    index = end + 1;
    if (text.charAt(end) === ":") return index;
    if (text.charAt(end) !== ",") return undefined;
  }
}

/** A mailbox, completed where its domain is missing and `completeWith` is there. */
function scanAddress(text: string, start: number, completeWith: string | undefined): ScannedMailbox | AddressFailure {
  const scanned = scanMailbox(text, start);
  if (scanned.kind === "mailbox") return scanned;
  const local = scanLocalPart(text, start);
  if (local.kind === "failure" || text.charAt(local.end) === "@") return scanned;
  if (completeWith === undefined) {
    return text.charAt(local.end) === ">" ? addressFailure("syntax", "The address has no domain") : scanned;
  }
  const completed = scanMailbox(`${text.slice(start, local.end)}@${completeWith}`, 0);
  return completed.kind === "mailbox" ? { ...completed, end: local.end } : completed;
}
