/**
 * Makes self-signed certificates (RFC 5280 §4.1) for servers and for users' devices, written out in DER here: Node cannot
 * make one, and this one shape needs less code than loading a library for all of them.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

import type { Instant } from "../../lib/instant.ts";
import type { CertificatePair } from "../../ports/certificates.ts";

/** Some TLS libraries refuse server certificates that live longer. */
const validDays = 825;
const dayMs = 86_400_000;
/** RFC 5280, appendix A: ub-common-name. */
const commonNameMax = 64;

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
};
const generalizedTimeTag = 0x18;
const utcTimeTag = 0x17;
const emailTag = 0x81;
const dnsNameTag = 0x82;
const ipAddressTag = 0x87;
/** 127.0.0.1 and ::1. */
const loopbackAddresses = ["7f000001", "00000000000000000000000000000001"];

const objectIds = {
  ecdsaWithSha256: "2a8648ce3d040302",
  commonName: "550403",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  keyUsage: "551d0f",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
  clientAuth: "2b06010505070302",
};

/** What a certificate says; the rest is the same in all of ours. */
interface CertificateSubject {
  readonly commonName: string;
  /** Entries of subjectAltName in DER; none: the certificate has no such extension. */
  readonly alternatives: readonly Buffer[];
  /** What its key is for, as an object identifier. */
  readonly usage: string;
  readonly validDays: number;
}

/** ECDSA P-256 for `hostname` (A-labels), localhost and the loopback addresses, valid from a day before `now`. */
export function makeSelfSigned(hostname: string, now: Instant): CertificatePair {
  const alternatives = [
    ...[...new Set([hostname, "localhost"])].map((dnsName) => der(dnsNameTag, Buffer.from(dnsName))),
    ...loopbackAddresses.map((address) => der(ipAddressTag, Buffer.from(address, "hex"))),
  ];
  return makeCertificate({ commonName: hostname, alternatives, usage: objectIds.serverAuth, validDays }, now);
}

/** ECDSA P-256 with which a device signs in as `address`, valid from a day before `now`. */
export function makeClientCertificate(address: string, options: { readonly days: number; readonly now: Instant }) {
  // An rfc822Name is ASCII (RFC 5280 §4.2.1.6); the key counts, not the name.
  const isAscii = /^[\x21-\x7e]+$/.test(address);
  const alternatives = isAscii ? [der(emailTag, Buffer.from(address))] : [];
  const subject = { commonName: address, alternatives, usage: objectIds.clientAuth, validDays: options.days };
  return makeCertificate(subject, options.now);
}

function makeCertificate(subject: CertificateSubject, now: Instant): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(tags.sequence, oid(objectIds.ecdsaWithSha256));
  const name = nameOf(subject.commonName);
  const serial = randomBytes(16);
  // Positive and without leading zeros.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const body = der(
    tags.sequence,
    der(0xa0, der(tags.integer, Buffer.from([2]))), // version 3
    der(tags.integer, serial),
    algorithm,
    name,
    der(tags.sequence, time(now - dayMs), time(now + subject.validDays * dayMs)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(tags.sequence, ...extensionsOf(subject))),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der(tags.sequence, body, algorithm, der(tags.bits, Buffer.of(0), signature));
  return {
    certificatePem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function nameOf(wanted: string): Buffer {
  const commonName = wanted.length <= commonNameMax ? wanted : "posthaste";
  const attribute = der(tags.sequence, oid(objectIds.commonName), der(tags.utf8, Buffer.from(commonName)));
  return der(tags.sequence, der(tags.set, attribute));
}

function extensionsOf({ alternatives, usage }: CertificateSubject): readonly Buffer[] {
  const names = der(tags.sequence, ...alternatives);
  return [
    ...(alternatives.length === 0 ? [] : [extension(objectIds.subjectAltName, false, names)]),
    extension(objectIds.basicConstraints, true, der(tags.sequence)), // not a CA
    extension(objectIds.keyUsage, true, der(tags.bits, Buffer.from([7, 0x80]))), // digitalSignature
    extension(objectIds.extendedKeyUsage, false, der(tags.sequence, oid(usage))),
  ];
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), derLength(content.length), content]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  if (length < 0x100) return Buffer.of(0x81, length);
  return Buffer.of(0x82, length >> 8, length & 0xff);
}

function oid(hex: string): Buffer {
  return der(tags.oid, Buffer.from(hex, "hex"));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(tags.boolean, Buffer.of(0xff))] : [];
  return der(tags.sequence, oid(id), ...flag, der(tags.octets, value));
}

/** RFC 5280 §4.1.2.5: two-digit years through 2049. */
function time(at: Instant): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, "");
  const year = new Date(at).getUTCFullYear();
  return year < 2050 ? der(utcTimeTag, Buffer.from(digits.slice(2))) : der(generalizedTimeTag, Buffer.from(digits));
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
