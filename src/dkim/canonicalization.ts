/**
 * Header fields in the form in which they are signed (RFC 6376 §3.4.1, §3.4.2, §3.7).
 *
 * Owns the choice of the fields that h= names, their canonical octets, and the emptied b=. Octets in, octets out: what
 * is done with them is for the verifier, the signer, and ARC.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { HeaderField, HeaderSection } from "../message/header-section.ts";

export type Canonicalization = "simple" | "relaxed";

export interface HeaderHashRequest {
  readonly header: HeaderSection;
  /** As h= lists them, in any case; a name as often as its field is to be taken. */
  readonly names: readonly string[];
  readonly canonicalization: Canonicalization;
  /** The whole field that carries the signature, name and line end included. */
  readonly signatureField: Buffer;
}

const lf = 0x0a;
const cr = 0x0d;
const tab = 0x09;
const space = 0x20;
const colon = 0x3a;
const semicolon = 0x3b;
const equals = 0x3d;
const letterB = 0x62;

/** A field in relaxed form, CRLF included (RFC 6376 §3.4.2). */
export function relaxedHeaderField(raw: Buffer): Buffer {
  const target = Buffer.allocUnsafe(raw.length + 2);
  return target.subarray(0, writeRelaxed(raw, 0, raw.length, target, 0));
}

/**
 * What a signature's header hash is taken of: the named fields, of several with one name the lowest first (RFC 6376
 * §5.4.2), names without a field standing for nothing; then the signature's own field with an empty b= and without
 * its line end (RFC 6376 §3.7). Work is linear in the header section and the names.
 */
export function headerHashInput(request: HeaderHashRequest): Buffer {
  const { header, canonicalization, signatureField } = request;
  const chosen = chooseFields(header, request.names, signatureField);
  let length = signatureField.length + 2;
  for (const field of chosen) length += field.end - field.start + 2;
  const target = Buffer.allocUnsafe(length);
  const write = canonicalization === "relaxed" ? writeRelaxed : writeSimple;
  let at = 0;
  for (const field of chosen) at = write(header.bytes, field.start, field.end, target, at);
  const emptied = emptySignature(signatureField);
  at = write(emptied, 0, emptied.length, target, at) - 2;
  return target.subarray(0, at);
}

/** `signatureField` itself is never among them, even when h= names it (RFC 6376 §3.5, h=). */
function chooseFields(header: HeaderSection, names: readonly string[], signatureField: Buffer): HeaderField[] {
  const { bytes } = header;
  const own =
    signatureField.buffer === bytes.buffer ? signatureField.byteOffset - bytes.byteOffset : Number.NEGATIVE_INFINITY;
  const { fields } = header;
  /** Of each name the lowest field that is not chosen yet, and above each field the next of its name. */
  const lowest = new Map<string, number>();
  const above = new Int32Array(fields.length);
  for (const [index, { name, start }] of fields.entries()) {
    if (start === own) continue;
    above[index] = lowest.get(name) ?? -1;
    lowest.set(name, index);
  }
  const chosen: HeaderField[] = [];
  for (const written of names) {
    const name = asciiLowerCase(written);
    const index = lowest.get(name) ?? -1;
    const field = fields[index];
    if (field === undefined) continue;
    chosen.push(field);
    lowest.set(name, above[index] ?? -1);
  }
  return chosen;
}

/** As it is; a last field that came without its line end gets one. */
function writeSimple(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  const contentEnd = source[end - 1] === lf && source[end - 2] === cr ? end - 2 : end;
  source.copy(target, at, start, contentEnd);
  return endLine(target, at + contentEnd - start);
}

/**
 * Lower-case name, no white space around the colon, no folding, white space runs as one space, none at the end. Bare
 * CR and LF are octets like any other.
 */
function writeRelaxed(source: Buffer, start: number, end: number, target: Buffer, from: number): number {
  let at = from;
  let read = start;
  while (read < end) {
    const octet = source[read++] ?? 0;
    if (octet === colon) break;
    if (octet !== space && octet !== tab) target[at++] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
  }
  target[at++] = colon;
  const contentStart = at;
  let spaceBefore = false;
  while (read < end) {
    const octet = source[read++] ?? 0;
    if (octet > space) {
      if (spaceBefore) {
        if (at > contentStart) target[at++] = space;
        spaceBefore = false;
      }
      target[at++] = octet;
    } else if (octet === space || octet === tab) {
      spaceBefore = true;
    } else if (octet === cr && source[read] === lf && read < end) {
      // Folding: the white space after it is read next. At the end of the field nothing follows.
      read++;
    } else {
      if (spaceBefore && at > contentStart) target[at++] = space;
      spaceBefore = false;
      target[at++] = octet;
    }
  }
  return endLine(target, at);
}

function endLine(target: Buffer, at: number): number {
  target[at] = cr;
  target[at + 1] = lf;
  return at + 2;
}

/** The field with the value of b= removed, white space around it included (RFC 6376 §3.5, b=). */
function emptySignature(field: Buffer): Buffer {
  const contentEnd = field.at(-1) === lf && field.at(-2) === cr ? field.length - 2 : field.length;
  let tagStart = field.indexOf(colon) + 1;
  while (tagStart < contentEnd) {
    const next = field.indexOf(semicolon, tagStart);
    const tagEnd = next === -1 || next > contentEnd ? contentEnd : next;
    const valueStart = valueOfB(field, tagStart, tagEnd);
    if (valueStart !== undefined) return Buffer.concat([field.subarray(0, valueStart), field.subarray(tagEnd)]);
    tagStart = tagEnd + 1;
  }
  return field;
}

/** Where the value begins when the tag that lies here is b=. */
function valueOfB(field: Buffer, start: number, end: number): number | undefined {
  let at = skipSpace(field, start, end);
  if (field[at] !== letterB) return undefined;
  at = skipSpace(field, at + 1, end);
  return at < end && field[at] === equals ? at + 1 : undefined;
}

function skipSpace(field: Buffer, start: number, end: number): number {
  let at = start;
  for (; at < end; at++) {
    const octet = field[at];
    if (octet !== space && octet !== tab && octet !== cr && octet !== lf) break;
  }
  return at;
}
