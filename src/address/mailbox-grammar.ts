/**
 * The grammar of a mailbox inside a longer text (RFC 5321 §4.1.2, RFC 6531 §3.3): where its local-part and domain end and
 * what they mean. Everything that reads addresses goes through here, so that two readers can never see two mailboxes.
 */
import { domainBytesMax, domainKeyOf } from "./domain.ts";
import { hasNonAscii } from "../lib/ascii-case.ts";
import type { Mailbox } from "./mailbox.ts";

/** Octets as written, quotes and backslashes included (RFC 5321 §4.5.3.1.1). */
const localPartBytesMax = 64;
/** Octets of a path with its brackets (RFC 5321 §4.5.3.1.3). */
const pathBytesMax = 256;

export type AddressFailureReason =
  /** Not in the grammar. */
  | "syntax"
  /** Octets above 127 without SMTPUTF8. */
  | "non-ascii"
  /** Over a limit of RFC 5321 §4.5.3.1. */
  | "too-long"
  /** `<>` where a recipient is needed. */
  | "null-path";

export interface AddressFailure {
  readonly kind: "failure";
  readonly reason: AddressFailureReason;
  /** For the peer: short, ASCII, nothing of its input repeated. */
  readonly text: string;
}

export interface ScannedMailbox {
  readonly kind: "mailbox";
  readonly mailbox: Mailbox;
  /** Index behind its last character. */
  readonly end: number;
}

export function addressFailure(reason: AddressFailureReason, text: string): AddressFailure {
  return { kind: "failure", reason, text };
}

/** Reads `local-part@domain` from `start`; what follows the domain is the caller's. UTF-8 is allowed. */
export function scanMailbox(text: string, start: number): ScannedMailbox | AddressFailure {
  if (!text.isWellFormed()) return addressFailure("syntax", "The text is not Unicode");
  const local = scanLocalPart(text, start);
  if (local.kind === "failure") return local;
  if (text.charCodeAt(local.end) !== at)
    return addressFailure("syntax", "An @ and a domain must follow the local-part");
  const end = endOfDomain(text, local.end + 1);
  const domain = text.slice(local.end + 1, end);
  const tooLong = checkLengths(text.slice(start, local.end), domain);
  if (tooLong !== undefined) return tooLong;
  const domainKey = domainKeyOf(domain);
  if (domainKey === undefined) return addressFailure("syntax", "The domain is malformed");
  return { kind: "mailbox", mailbox: { localPart: local.value, domain, domainKey }, end };
}

/** Index behind a domain or address literal, whether or not what is inside makes sense. */
export function endOfDomain(text: string, start: number): number {
  let end = start;
  if (text.charCodeAt(start) === openBracket) {
    const close = text.indexOf("]", start);
    return close === -1 ? text.length : close + 1;
  }
  while (end < text.length && isDomainCharacter(text.charCodeAt(end))) end++;
  return end;
}

export interface ScannedLocalPart {
  readonly kind: "local-part";
  /** Without quotes. */
  readonly value: string;
  readonly end: number;
}

export function scanLocalPart(text: string, start: number): ScannedLocalPart | AddressFailure {
  return text.charCodeAt(start) === quote ? scanQuoted(text, start) : scanDotString(text, start);
}

/** Whether a local-part can stand without quotes in what we write. */
export function isDotString(localPart: string): boolean {
  const scanned = scanDotString(localPart, 0);
  if (scanned.kind !== "local-part" || scanned.end !== localPart.length) return false;
  return !localPart.startsWith(".") && !localPart.endsWith(".") && !localPart.includes("..");
}

/**
 * Deviation: dots may stand anywhere, in a row, first and last, where RFC 5321 §4.1.2 wants quotes. Large providers have
 * given out such addresses, and their users write them without. We write them in quotes.
 */
function scanDotString(text: string, start: number): ScannedLocalPart | AddressFailure {
  let end = start;
  let hasText = false;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === dot) continue;
    if (!isAtext(code)) break;
    hasText = true;
  }
  if (!hasText) return addressFailure("syntax", "The local-part is malformed");
  return { kind: "local-part", value: text.slice(start, end), end };
}

function scanQuoted(text: string, start: number): ScannedLocalPart | AddressFailure {
  let value = "";
  for (let index = start + 1; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code === quote) return { kind: "local-part", value, end: index + 1 };
    const paired = code === backslash;
    if (paired) code = text.charCodeAt(++index);
    // qtextSMTP and quoted-pairSMTP reach from space to tilde; UTF-8 is added to qtextSMTP alone (RFC 6531 §3.3).
    if (!(code >= 0x20 && code !== 0x7f) || (code >= 0x80 && (paired || !isUtf8Text(code)))) break;
    value += text.charAt(index);
  }
  return addressFailure("syntax", "The quoted local-part is malformed");
}

function checkLengths(localPart: string, domain: string): AddressFailure | undefined {
  if (isLonger(localPart, localPartBytesMax))
    return addressFailure("too-long", "The local-part is longer than 64 octets");
  if (isLonger(domain, domainBytesMax)) return addressFailure("too-long", "The domain is longer than 255 octets");
  // The brackets and the @ are three more.
  return localPart.length + domain.length > (pathBytesMax - 3) / 3 &&
    Buffer.byteLength(localPart) + Buffer.byteLength(domain) + 3 > pathBytesMax
    ? addressFailure("too-long", "The path is longer than 256 octets")
    : undefined;
}

/** A UTF-16 unit is at most three octets of UTF-8, so short texts need no counting. */
function isLonger(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
}

/** Whether the mailbox needs SMTPUTF8 in the envelope (RFC 6531 §3.3). */
export function needsSmtpUtf8(mailbox: Mailbox): boolean {
  return hasNonAscii(mailbox.localPart) || hasNonAscii(mailbox.domain);
}

/** atext of RFC 5322 §3.2.3, and UTF-8 (RFC 6531 §3.3). */
function isAtext(code: number): boolean {
  return code < 128 ? atext[code] === 1 : isUtf8Text(code);
}

/** Of what lies above ASCII: no C1 controls, and no line ends, which nobody has in an address and some logs would obey. */
function isUtf8Text(code: number): boolean {
  return code >= 0xa0 && code !== 0x2028 && code !== 0x2029;
}

function isDomainCharacter(code: number): boolean {
  return code >= 128 || code === dot || domainCharacters[code] === 1;
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const digits = "0123456789";
const atext = tableOf(`${letters}${digits}!#$%&'*+-/=?^_\`{|}~`);
const domainCharacters = tableOf(`${letters}${digits}-_`);
const quote = 0x22;
const dot = 0x2e;
const at = 0x40;
const openBracket = 0x5b;
const backslash = 0x5c;
