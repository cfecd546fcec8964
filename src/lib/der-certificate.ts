/**
 * The parts of a certificate that Node's `X509Certificate` does not tell (RFC 5280 §4.1): the exact octets of its public
 * key, also of a kind that OpenSSL does not know, and the extensions that limit what it may issue. Reads DER of strangers:
 * every length is checked, and nothing throws.
 */
import { Buffer } from "node:buffer";

/** One element of DER: its tag and where its content lies. */
interface Element {
  readonly tag: number;
  /** With tag and length. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

export interface DerExtension {
  /** The content of the object identifier, in hexadecimal digits. */
  readonly id: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface DerCertificate {
  /** The content of the integer, as it was written (RFC 9773 §4.1). */
  readonly serialNumber: Uint8Array;
  /** The subjectPublicKeyInfo, as TLSA records with selector 1 mean it (RFC 6698 §2.1.2). */
  readonly publicKeyInfo: Uint8Array;
  readonly extensions: readonly DerExtension[];
}

export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** Certificates in use have ten or so. */
const extensionsMax = 64;

/** Undefined for octets that are no certificate. */
export function readDerCertificate(der: Uint8Array): DerCertificate | undefined {
  const outer = readElement(der, 0);
  if (outer?.tag !== Tag.sequence || outer.whole.length !== der.length) return undefined;
  const signed = readElement(outer.content, 0);
  if (signed?.tag !== Tag.sequence) return undefined;
  const fields = readElements(signed.content, 16);
  if (fields === undefined) return undefined;
  // Version, which old certificates leave out, serial number, algorithm, issuer, validity, subject, key.
  const first = fields[0]?.tag === Tag.version ? 1 : 0;
  const [serialNumber, key] = [fields[first], fields[first + 5]];
  if (serialNumber?.tag !== Tag.integer || key?.tag !== Tag.sequence) return undefined;
  const extensions = readExtensions(fields.find(({ tag }) => tag === Tag.extensions));
  return extensions === undefined
    ? undefined
    : { serialNumber: serialNumber.content, publicKeyInfo: key.whole, extensions };
}

/** The elements of a sequence's content, or undefined when it is broken or has more than `max`. */
export function readElements(content: Uint8Array, max: number): readonly Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < content.length;) {
    const element = readElement(content, at);
    if (element === undefined || elements.length === max) return undefined;
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

/** Tags of one octet and definite lengths of up to three, which is all that certificates need. */
export function readElement(bytes: Uint8Array, start: number): Element | undefined {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  let length = first;
  let begin = start + 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 3) return undefined;
    length = 0;
    for (const end = begin + octets; begin < end; begin++) length = length * 256 + (bytes[begin] ?? 0);
  }
  const end = begin + length;
  if (end > bytes.length) return undefined;
  return { tag, whole: bytes.subarray(start, end), content: bytes.subarray(begin, end) };
}

function readExtensions(field: Element | undefined): readonly DerExtension[] | undefined {
  if (field === undefined) return [];
  const list = readElement(field.content, 0);
  const entries = list?.tag === Tag.sequence ? readElements(list.content, extensionsMax) : undefined;
  if (entries === undefined) return undefined;
  const extensions: DerExtension[] = [];
  for (const entry of entries) {
    const parts = readElements(entry.content, 3);
    const [id, second] = parts ?? [];
    const value = parts?.at(-1);
    if (id?.tag !== Tag.objectIdentifier || value?.tag !== Tag.octetString) return undefined;
    const critical = second?.tag === Tag.boolean && second.content[0] !== 0;
    extensions.push({ id: Buffer.from(id.content).toString("hex"), critical, value: value.content });
  }
  return extensions;
}
