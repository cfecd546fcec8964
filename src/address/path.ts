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
}

export interface ParsedPath<P> {
  readonly kind: "path";
  readonly path: P;
  /** Index behind the closing bracket. */
  readonly end: number;
}

/** Path of MAIL; `null` is the null reverse-path `<>`. `text` begins with the opening bracket. */
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
  if (!text.startsWith("<")) return addressFailure("syntax", "A path stands in angle brackets");
  const start = text.charAt(1) === "@" ? endOfSourceRoute(text) : 1;
  if (start === undefined) return addressFailure("syntax", "The source route is malformed");
  const scanned: ScannedMailbox | AddressFailure = scanMailbox(text, start);
  if (scanned.kind === "failure") return explainMissingDomain(text, start, scanned);
  if (text.charAt(scanned.end) !== ">") return addressFailure("syntax", "The closing angle bracket is missing");
  const end = scanned.end + 1;
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

function explainMissingDomain(text: string, start: number, failure: AddressFailure): AddressFailure {
  const local = scanLocalPart(text, start);
  return local.kind === "local-part" && text.charAt(local.end) === ">"
    ? addressFailure("syntax", "The address has no domain")
    : failure;
}
