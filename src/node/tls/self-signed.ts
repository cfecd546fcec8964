/**
 * Makes self-signed certificates (RFC 5280 §4.1) for servers and for users' devices, written out in DER: Node cannot
 * make one, and this one shape needs less code than loading a library for all of them.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

import {
  bitString,
  commonNameOnly,
  der,
  derTags,
  derTime,
  dnsName,
  extension,
  objectIds,
  oid,
  toPem,
} from "../../lib/der.ts";
import type { Instant } from "../../lib/instant.ts";
import type { CertificatePair } from "../../ports/certificates.ts";

/** Some TLS libraries refuse server certificates that live longer. */
const validDays = 825;
const dayMs = 86_400_000;
/** RFC 5280, appendix A: ub-common-name. */
const commonNameMax = 64;

const emailTag = 0x81;
const ipAddressTag = 0x87;
/** 127.0.0.1 and ::1. */
const loopbackAddresses = ["7f000001", "00000000000000000000000000000001"];

/** What a certificate says; the rest is the same in all of ours. */
interface CertificateSubject {
  readonly commonName: string;
  /** Entries of subjectAltName in DER; none: the certificate has no such extension. */
  readonly alternatives: readonly Buffer[];
  /** What its key is for, as an object identifier. */
  readonly usage: string;
  /** What only some certificates have, in DER. */
  readonly extensions?: readonly Buffer[];
  readonly validDays: number;
}

/** ECDSA P-256 for `hostname` (A-labels), localhost and the loopback addresses, valid from a day before `now`. */
export function makeSelfSigned(hostname: string, now: Instant): CertificatePair {
  const alternatives = [
    ...[...new Set([hostname, "localhost"])].map(dnsName),
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

/** The proof of TLS-ALPN-01 (RFC 8737 §3): for `name` alone, with the digest in a critical extension. */
export function makeAlpnCertificate(name: string, digest: Uint8Array, now: Instant): CertificatePair {
  const proof = extension(objectIds.acmeIdentifier, true, der(derTags.octets, digest));
  return makeCertificate(
    { commonName: name, alternatives: [dnsName(name)], usage: objectIds.serverAuth, extensions: [proof], validDays: 7 },
    now,
  );
}

function makeCertificate(subject: CertificateSubject, now: Instant): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(derTags.sequence, oid(objectIds.ecdsaWithSha256));
  const name = nameOf(subject.commonName);
  const serial = randomBytes(16);
  // Positive and without leading zeros.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const body = der(
    derTags.sequence,
    der(0xa0, der(derTags.integer, Buffer.from([2]))), // version 3
    der(derTags.integer, serial),
    algorithm,
    name,
    der(derTags.sequence, derTime(now - dayMs), derTime(now + subject.validDays * dayMs)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(derTags.sequence, ...extensionsOf(subject))),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der(derTags.sequence, body, algorithm, bitString(signature));
  return {
    certificatePem: toPem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function nameOf(wanted: string): Buffer {
  return commonNameOnly(wanted.length <= commonNameMax ? wanted : "posthaste");
}

function extensionsOf({ alternatives, usage, extensions = [] }: CertificateSubject): readonly Buffer[] {
  const names = der(derTags.sequence, ...alternatives);
  return [
    ...(alternatives.length === 0 ? [] : [extension(objectIds.subjectAltName, false, names)]),
    extension(objectIds.basicConstraints, true, der(derTags.sequence)), // not a CA
    extension(objectIds.keyUsage, true, der(derTags.bits, Buffer.from([7, 0x80]))), // digitalSignature
    extension(objectIds.extendedKeyUsage, false, der(derTags.sequence, oid(usage))),
    ...extensions,
  ];
}
