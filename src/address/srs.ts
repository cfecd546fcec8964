/**
 * The Sender Rewriting Scheme as values: a forwarded message's reverse-path is put into the local-part of an address of
 * ours, so that SPF passes and a bounce finds its way back through us. No standard defines it; this is the form that
 * forwarders use among each other:
 *
 *     SRS0=HASH=TT=domain=local@forwarder               made from an ordinary address
 *     SRS1=HASH=first==HASH=TT=domain=local@forwarder   made from the SRS0 of another forwarder, `first`
 *     SRS0=HASH=TT=_=TOKEN@forwarder                    ours alone: the original is too long and kept by the forwarder
 *
 * A chain of forwarders does not grow the address: an SRS1 is signed anew with `first` and what follows it unchanged.
 * The first separator may be `=`, `+` or `-`; we write `=`, and hand another's on as it was.
 *
 * HASH is the first 40 bits of an HMAC-SHA-256 in base 32, eight characters. The customary four of base 64, compared
 * without case as they must be, leave a guess one chance in a million: at the 60,000 guesses a minute that
 * `[limits]` lets one client make, that is a quarter of an hour. Forty bits make it decades, for four octets more.
 *
 * Relays exist that turn local-parts into lower case. So the HMAC is over lower case, and its text is compared without
 * case; the original's own case then comes back as far as the relay kept it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { asciiLowerCase, asciiUpperCase } from "../lib/ascii-case.ts";
import { formatMailbox, parseMailbox } from "./mailbox-text.ts";
import type { Mailbox } from "./mailbox.ts";

/** For so many days after it was made an SRS0 address takes bounces; queues give up after five, vacations take longer. */
export const srsValidDays = 21;
const dayMs = 86_400_000;
/** Two characters of base 32: the stamp comes round after 1024 days. */
const stampDays = 1024;
/** A clock that was set back must not make fresh addresses forgeries. */
const futureDaysMax = 1;
const hashLength = 8;
const tokenLength = 16;
/** Stands where a domain stands, and can be none (RFC 5321 §4.1.2). */
const storedDomain = "_";
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export interface SrsSigning {
  /** The forwarder's own domain. */
  readonly domain: string;
  readonly key: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What an address in this form comes to. */
export type SrsReversal =
  /** Where a bounce goes: the original sender, or the forwarder before us. */
  | { readonly kind: "address"; readonly mailbox: Mailbox }
  /** The original is kept under this token. */
  | { readonly kind: "stored"; readonly token: string }
  /** No key of ours made it. */
  | { readonly kind: "forged" }
  /** Ours, and older than {@link srsValidDays}. */
  | { readonly kind: "expired" };

/** What a recipient in this form comes to, once what is kept has been looked up. */
export type ReversedRecipient = Exclude<SrsReversal, { readonly kind: "stored" }>;

/** Whether it is worth asking {@link reverseSrs}; cheap enough for every recipient. */
export function looksLikeSrs(localPart: string): boolean {
  return /^srs[01][=+-]/i.test(localPart);
}

/**
 * The address of ours that stands for `original`: SRS0 for an ordinary one, SRS1 for another forwarder's. `undefined`
 * where that would be longer than an address may be (RFC 5321 §4.5.3.1), or could not be read back; then
 * {@link srsForToken} helps.
 */
export function srsFor(original: Mailbox, signing: SrsSigning): Mailbox | undefined {
  const rewritten = ours(nextLocalPart(original, signing), signing);
  // The parser is the judge of lengths, quotes included, here as it will be when the bounce comes.
  const text = textOf(rewritten);
  if (text === undefined || parseMailbox(text) === undefined) return undefined;
  const back = reverseSrs(rewritten.localPart, [signing.key], signing.now);
  return back?.kind === "address" ? rewritten : undefined;
}

/** Names an original that is kept elsewhere: the same for the same address and key, whatever its case. */
export function srsToken(original: Mailbox, key: Uint8Array): string {
  return mac(key, "token", original.localPart, original.domainKey, tokenLength);
}

/** The address of ours that stands for what is kept under `token`; 45 octets long before its @. */
export function srsForToken(token: string, signing: SrsSigning): Mailbox {
  return ours(srs0(storedDomain, token, signing), signing);
}

/** `undefined`: not in this form at all, so an ordinary name. `keys`: all that may still have made it. */
export function reverseSrs(localPart: string, keys: readonly Uint8Array[], now: number): SrsReversal | undefined {
  if (!looksLikeSrs(localPart)) return undefined;
  const rest = localPart.slice(5);
  return localPart.charAt(3) === "0" ? reverseSrs0(rest, keys, now) : reverseSrs1(rest, keys);
}

function nextLocalPart({ localPart, domainKey }: Mailbox, signing: SrsSigning): string {
  if (looksLikeSrs(localPart)) {
    const tail = localPart.slice(4);
    if (localPart.charAt(3) === "0") return srs1(domainKey, tail, signing);
    const parts = splitSrs1(tail.slice(1));
    if (parts !== undefined) return srs1(asciiLowerCase(parts.first), parts.tail, signing);
  }
  return srs0(domainKey, localPart, signing);
}

function srs0(domain: string, local: string, { key, now }: SrsSigning): string {
  const stamp = stampOf(now);
  return `SRS0=${mac(key, `0${stamp}`, local, domain, hashLength)}=${stamp}=${domain}=${local}`;
}

/** `tail`: the other forwarder's SRS0 from its first separator on. */
function srs1(first: string, tail: string, { key }: SrsSigning): string {
  return `SRS1=${mac(key, "1", tail, first, hashLength)}=${first}=${tail}`;
}

function reverseSrs0(rest: string, keys: readonly Uint8Array[], now: number): SrsReversal | undefined {
  const match = /^([^=]+)=([a-z2-7]{2})=([^=]+)=(.*)$/is.exec(rest);
  if (match === null) return undefined;
  const [, hash = "", stamp = "", domain = "", local = ""] = match;
  if (!isSigned(keys, hash, `0${stamp}`, local, domain)) return { kind: "forged" };
  const age = (dayOf(now) - daysOf(stamp) + stampDays) % stampDays;
  if (age > srsValidDays && age < stampDays - futureDaysMax) return { kind: "expired" };
  if (domain === storedDomain) return { kind: "stored", token: asciiUpperCase(local) };
  return addressOf(local, domain);
}

function reverseSrs1(rest: string, keys: readonly Uint8Array[]): SrsReversal | undefined {
  const parts = splitSrs1(rest);
  if (parts === undefined) return undefined;
  const { hash, first, tail } = parts;
  if (!isSigned(keys, hash, "1", tail, first)) return { kind: "forged" };
  // No stamp of ours is in it: `first` looks at its own, and ours ends with the key.
  return addressOf(`SRS0${tail}`, first);
}

/** `HASH=first` and the other's separator with all that follows it. */
function splitSrs1(rest: string): { readonly hash: string; readonly first: string; readonly tail: string } | undefined {
  const match = /^([^=]+)=([^=]+)=([=+-].*)$/s.exec(rest);
  if (match === null) return undefined;
  const [, hash = "", first = "", tail = ""] = match;
  return { hash, first, tail };
}

/** Through the parser, so that what is signed and yet no address (a key that leaked) goes nowhere. */
function addressOf(localPart: string, domain: string): SrsReversal {
  const text = textOf({ localPart, domain, domainKey: domain });
  const mailbox = text === undefined ? undefined : parseMailbox(text);
  return mailbox === undefined ? { kind: "forged" } : { kind: "address", mailbox };
}

function ours(localPart: string, { domain }: SrsSigning): Mailbox {
  return { localPart, domain, domainKey: asciiLowerCase(domain) };
}

function textOf(mailbox: Mailbox): string | undefined {
  try {
    return formatMailbox(mailbox);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** All keys are tried, and each in constant time: how long it takes tells nothing about any of them. */
function isSigned(keys: readonly Uint8Array[], hash: string, purpose: string, local: string, domain: string): boolean {
  const given = Buffer.from(asciiUpperCase(hash));
  if (given.length !== hashLength) return false;
  let signed = false;
  for (const key of keys) {
    if (timingSafeEqual(given, Buffer.from(mac(key, purpose, local, domain, hashLength)))) signed = true;
  }
  return signed;
}

/** Its parts are told apart by NUL, which no address can have. */
function mac(key: Uint8Array, purpose: string, local: string, domain: string, length: number): string {
  const digest = createHmac("sha256", key)
    .update(asciiLowerCase(`${purpose}\0${domain}\0${local}`))
    .digest();
  let text = "";
  let bits = 0;
  let value = 0;
  for (let index = 0; text.length < length; index++) {
    value = ((value & 31) << 8) | (digest[index] ?? 0);
    bits += 8;
    for (; bits >= 5 && text.length < length; bits -= 5) text += alphabet.charAt((value >> (bits - 5)) & 31);
  }
  return text;
}

function dayOf(now: number): number {
  return Math.floor(now / dayMs) % stampDays;
}

function stampOf(now: number): string {
  const day = dayOf(now);
  return alphabet.charAt(day >> 5) + alphabet.charAt(day & 31);
}

function daysOf(stamp: string): number {
  const [high = "", low = ""] = asciiUpperCase(stamp);
  return alphabet.indexOf(high) * 32 + alphabet.indexOf(low);
}
