/** Certificates of any shape for tests of verification: authorities, servers, limits, dates (RFC 5280 §4.1). */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import type { Instant } from "../lib/instant.ts";

export interface TestCertificate {
  readonly der: Buffer;
  readonly privateKey: KeyObject;
  /** The subjectPublicKeyInfo, as TLSA records with selector 1 mean it. */
  readonly publicKeyInfo: Buffer;
  readonly subject: string;
}

export interface TestCertificateOptions {
  readonly subject: string;
  /** Undefined: signed by itself. */
  readonly issuer?: TestCertificate;
  /** DNS names; undefined: no such extension. */
  readonly names?: readonly string[];
  readonly authority?: { readonly pathLength?: number; readonly permitted?: string; readonly excluded?: string };
  readonly from?: Instant;
  readonly until?: Instant;
  /** Object identifiers in hexadecimal digits. */
  readonly purposes?: readonly string[];
  readonly unknownCritical?: boolean;
  /** Used again, as when a certificate is renewed. */
  readonly sameKeyAs?: TestCertificate;
}

export const serverPurpose = "2b06010505070301";
export const clientPurpose = "2b06010505070302";
const ecdsaWithSha256 = "2a8648ce3d040302";
let serial = 0;

export function makeCertificate(options: TestCertificateOptions): TestCertificate {
  const { subject, issuer, sameKeyAs } = options;
  const made = sameKeyAs === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : undefined;
  const privateKey = sameKeyAs?.privateKey ?? (made?.privateKey as KeyObject);
  const publicKeyInfo = sameKeyAs?.publicKeyInfo ?? made?.publicKey.export({ type: "spki", format: "der" });
  const algorithm = der(0x30, oid(ecdsaWithSha256));
  const from = options.from ?? Date.UTC(2020, 0, 1);
  const until = options.until ?? Date.UTC(2040, 0, 1);
  serial++;
  const signed = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1, serial >> 8, serial & 0xff)),
    algorithm,
    nameOf(issuer?.subject ?? subject),
    der(0x30, time(from), time(until)),
    nameOf(subject),
    publicKeyInfo ?? Buffer.alloc(0),
    der(0xa3, der(0x30, ...extensionsOf(options))),
  );
  const signature = sign("sha256", signed, issuer?.privateKey ?? privateKey);
  const whole = der(0x30, signed, algorithm, der(0x03, Buffer.of(0), signature));
  return { der: whole, privateKey, publicKeyInfo: publicKeyInfo ?? Buffer.alloc(0), subject };
}

export function certificatePem({ der: octets }: TestCertificate): string {
  const lines = octets.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function extensionsOf({ names, authority, purposes, unknownCritical }: TestCertificateOptions): Buffer[] {
  const list: Buffer[] = [];
  if (names !== undefined) list.push(extension("551d11", false, der(0x30, ...names.map(dnsName))));
  const length = authority?.pathLength;
  const limits = length === undefined ? [] : [der(0x02, Buffer.of(length))];
  list.push(
    extension("551d13", true, der(0x30, ...(authority === undefined ? [] : [der(0x01, Buffer.of(0xff)), ...limits]))),
  );
  if (authority?.permitted !== undefined || authority?.excluded !== undefined) {
    const subtrees = (tag: number, name: string | undefined) =>
      name === undefined ? [] : [der(tag, der(0x30, dnsName(name)))];
    const both = [...subtrees(0xa0, authority.permitted), ...subtrees(0xa1, authority.excluded)];
    list.push(extension("551d1e", true, der(0x30, ...both)));
  }
  if (purposes !== undefined) list.push(extension("551d25", false, der(0x30, ...purposes.map(oid))));
  if (unknownCritical === true) list.push(extension("2a0304", true, der(0x05)));
  return list;
}

function nameOf(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid("550403"), der(0x0c, Buffer.from(commonName)))));
}

function dnsName(name: string): Buffer {
  return der(0x82, Buffer.from(name, "latin1"));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return der(0x30, oid(id), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

/** GeneralizedTime throughout; OpenSSL takes it for any year. */
function time(at: Instant): Buffer {
  return der(0x18, Buffer.from(new Date(at).toISOString().replaceAll(/\.\d+|[-:T]/g, "")));
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}
