/** Writes DER (ITU-T X.690), as far as certificates and requests for them need it (RFC 5280 §4.1, RFC 2986 §4). */
import { Buffer } from "node:buffer";

import type { Instant } from "./instant.ts";

export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Object identifiers, encoded. */
export const objectIds = {
  ecdsaWithSha256: "2a8648ce3d040302",
  commonName: "550403",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  keyUsage: "551d0f",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
  clientAuth: "2b06010505070302",
  authorityKeyIdentifier: "551d23",
  authorityInfoAccess: "2b06010505070101",
  caIssuers: "2b06010505073002",
  acmeIdentifier: "2b0601050507011f",
  extensionRequest: "2a864886f70d01090e",
} as const;

const dnsNameTag = 0x82;

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), derLength(content.length), content]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  if (length < 0x100) return Buffer.of(0x81, length);
  return Buffer.of(0x82, length >> 8, length & 0xff);
}

export function oid(hex: string): Buffer {
  return der(derTags.oid, Buffer.from(hex, "hex"));
}

export function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(derTags.boolean, Buffer.of(0xff))] : [];
  return der(derTags.sequence, oid(id), ...flag, der(derTags.octets, value));
}

/** A bit string of whole octets. */
export function bitString(octets: Uint8Array): Buffer {
  return der(derTags.bits, Buffer.of(0), octets);
}

/** A distinguished name of one common name. */
export function commonNameOnly(commonName: string): Buffer {
  const attribute = der(derTags.sequence, oid(objectIds.commonName), der(derTags.utf8, Buffer.from(commonName)));
  return der(derTags.sequence, der(derTags.set, attribute));
}

/** The entry of subjectAltName; `name` in A-labels. */
export function dnsName(name: string): Buffer {
  return der(dnsNameTag, Buffer.from(name));
}

/** RFC 5280 §4.1.2.5: two-digit years through 2049. */
export function derTime(at: Instant): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, "");
  const year = new Date(at).getUTCFullYear();
  return year < 2050
    ? der(derTags.utcTime, Buffer.from(digits.slice(2)))
    : der(derTags.generalizedTime, Buffer.from(digits));
}

export function toPem(label: string, content: Uint8Array): string {
  const lines =
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
