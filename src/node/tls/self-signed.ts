/**
 * Makes a self-signed certificate (RFC 5280 §4.1), written out in DER here: Node cannot make one, and this one shape
 * needs less code than loading a library for all of them.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

import type { Instant } from "../../lib/instant.ts";
import type { CertificatePair } from "../../ports/certificates.ts";

/** Some TLS libraries refuse server certificates that live longer. */
const VALID_DAYS = 825;
const DAY_MS = 86_400_000;
/** RFC 5280, appendix A: ub-common-name. */
const COMMON_NAME_MAX = 64;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
};
const GENERALIZED_TIME = 0x18;
const UTC_TIME = 0x17;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
/** 127.0.0.1 and ::1. */
const LOOPBACK = ["7f000001", "00000000000000000000000000000001"];

const OID = {
  ecdsaWithSha256: "2a8648ce3d040302",
  commonName: "550403",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  keyUsage: "551d0f",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
};

/** ECDSA P-256 for `hostname` (A-labels), localhost and the loopback addresses, valid from a day before `now`. */
export function makeSelfSigned(hostname: string, now: Instant): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(TAG.sequence, oid(OID.ecdsaWithSha256));
  const commonName = hostname.length <= COMMON_NAME_MAX ? hostname : "posthaste";
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, oid(OID.commonName), der(TAG.utf8, Buffer.from(commonName)))),
  );
  const serial = randomBytes(16);
  // Positive and without leading zeros.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const alternatives = [
    ...[...new Set([hostname, "localhost"])].map((dnsName) => der(DNS_NAME, Buffer.from(dnsName))),
    ...LOOPBACK.map((address) => der(IP_ADDRESS, Buffer.from(address, "hex"))),
  ];
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Buffer.from([2]))), // version 3
    der(TAG.integer, serial),
    algorithm,
    name,
    der(TAG.sequence, time(now - DAY_MS), time(now + VALID_DAYS * DAY_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      der(
        TAG.sequence,
        extension(OID.subjectAltName, false, der(TAG.sequence, ...alternatives)),
        extension(OID.basicConstraints, true, der(TAG.sequence)), // not a CA
        extension(OID.keyUsage, true, der(TAG.bits, Buffer.from([7, 0x80]))), // digitalSignature
        extension(OID.extendedKeyUsage, false, der(TAG.sequence, oid(OID.serverAuth))),
      ),
    ),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der(TAG.sequence, body, algorithm, der(TAG.bits, Buffer.of(0), signature));
  return {
    certificatePem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
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
  return der(TAG.oid, Buffer.from(hex, "hex"));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(TAG.boolean, Buffer.of(0xff))] : [];
  return der(TAG.sequence, oid(id), ...flag, der(TAG.octets, value));
}

/** RFC 5280 §4.1.2.5: two-digit years through 2049. */
function time(at: Instant): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, "");
  const year = new Date(at).getUTCFullYear();
  return year < 2050 ? der(UTC_TIME, Buffer.from(digits.slice(2))) : der(GENERALIZED_TIME, Buffer.from(digits));
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
