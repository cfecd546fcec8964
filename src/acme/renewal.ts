/** When a certificate is renewed: when the authority suggests it (ARI, RFC 9773), else at two thirds of its life. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import { readDerCertificate, readElement, readElements } from "../lib/der-certificate.ts";
import type { RenewalInfo } from "./messages.ts";

/** So that the certificates that were issued in one hour are not renewed in one hour. Of the lifetime. */
const jitterShare = 0.03;
const dayMs = 86_400_000;
const authorityKeyIdentifier = "551d23";
const keyIdentifierTag = 0x80;

/**
 * RFC 9773 §4.1: the issuer's key identifier and the serial number, each in base64url. Undefined: the certificate has no
 * such identifier, or cannot be read.
 */
export function renewalIdentifier(certificatePem: string): string | undefined {
  const certificate = readPem(certificatePem);
  if (certificate === undefined) return undefined;
  const read = readDerCertificate(certificate.raw);
  const extension = read?.extensions.find(({ id }) => id === authorityKeyIdentifier);
  const sequence = extension && readElement(extension.value, 0);
  const keyIdentifier = sequence && readElements(sequence.content, 8)?.find(({ tag }) => tag === keyIdentifierTag);
  if (read === undefined || keyIdentifier === undefined) return undefined;
  return [keyIdentifier.content, read.serialNumber]
    .map((octets) => Buffer.from(octets).toString("base64url"))
    .join(".");
}

export interface Lifetime {
  readonly validFrom: Instant;
  readonly validTo: Instant;
}

export function lifetimeOf(certificatePem: string): Lifetime | undefined {
  const certificate = readPem(certificatePem);
  return certificate && { validFrom: certificate.validFromDate.getTime(), validTo: certificate.validToDate.getTime() };
}

/** Whether the certificate is for exactly these names, and, where one is given, for this key. */
export function isFor(certificatePem: string, names: readonly string[], keyPem?: string): boolean {
  const certificate = readPem(certificatePem);
  if (certificate === undefined) return false;
  const found = [...(certificate.subjectAltName ?? "").matchAll(/(?:^|, )DNS:([^\s,"]+)/g)].map(
    ([, name = ""]) => name,
  );
  const sorted = (list: readonly string[]) => list.map(asciiLowerCase).toSorted().join(" ");
  if (sorted(found) !== sorted(names)) return false;
  return keyPem === undefined || certificate.checkPrivateKey(createPrivateKey(keyPem));
}

/** `chance`: uniform in [0, 1), drawn once for each certificate. */
export function renewalTime({ validFrom, validTo }: Lifetime, chance: number): Instant {
  const lifetime = validTo - validFrom;
  return validFrom + (lifetime * 2) / 3 - lifetime * jitterShare * chance;
}

/**
 * A time within the window that the authority suggests (RFC 9773 §4.2), `chance` of it from its start; undefined: the window is
 * none, and the rule of thumb goes on. Not before a day has passed, or a third of a short life: an authority that always suggests
 * the past must not get an order at every look.
 */
export function suggestedTime(
  { suggestedWindow }: RenewalInfo,
  { validFrom, validTo }: Lifetime,
  chance: number,
): Instant | undefined {
  const [start, end] = [Date.parse(suggestedWindow.start), Date.parse(suggestedWindow.end)];
  if (end <= start) return undefined;
  return Math.max(start + (end - start) * chance, validFrom + Math.min(dayMs, (validTo - validFrom) / 3));
}

function readPem(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
