/** One certificate that the server shows: where its files are, what they held when they were last read, what was told of it. */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { isIP } from "node:net";

import type { Instant } from "../../lib/instant.ts";
import type { CertificatePair } from "../../ports/certificates.ts";
import type { Files } from "../../ports/files.ts";
import {
  CertificateError,
  type CertificateFacts,
  type CertificateFaults,
  checkPair,
  faultsOf,
} from "./certificates.ts";

export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificatePlace extends CertificatePaths {
  /** Names that it has to be for; none: those that it names itself. */
  readonly names: readonly string[];
  /** Made by the server, so nobody verifies it. */
  readonly selfSigned: boolean;
  /** The authority itself gave the chain to the server, so it is complete. */
  readonly byAcme?: boolean;
}

export interface ServedCertificate extends CertificatePair {
  readonly place: CertificatePlace;
  readonly facts: CertificateFacts;
  /** Size and time of both files before they were read. */
  readonly seen: string;
}

/** Rejects with {@link CertificateError} where the files cannot serve TLS at all. */
export async function readServed(files: Files, place: CertificatePlace): Promise<ServedCertificate> {
  // Before reading: a change in between is then seen the next time.
  const seen = await fingerprint(files, place);
  const read = async (what: string, path: string) => {
    try {
      return Buffer.from(await files.readFile(path)).toString("latin1");
    } catch (cause) {
      throw new CertificateError(`the ${what} ${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
  };
  const certificatePem = await read("certificate", place.certificate);
  const keyPem = await read("key", place.key);
  return { certificatePem, keyPem, place, seen, facts: checkPair({ certificatePem, keyPem }) };
}

export async function fingerprint(files: Files, paths: CertificatePaths): Promise<string> {
  const facts = await Promise.all([files.stat(paths.certificate), files.stat(paths.key)]);
  return facts.map((file) => (file === undefined ? "absent" : `${file.size}@${file.modifiedAt}`)).join(" ");
}

export function samePair(a: CertificatePair | undefined, b: CertificatePair): boolean {
  return a?.certificatePem === b.certificatePem && a.keyPem === b.keyPem;
}

/**
 * A fault that the former one does not have, in words. A former one that has it as well is no better, so that nobody has
 * to mend an expired certificate before anything else can be changed.
 */
export function newFault(
  next: ServedCertificate,
  former: ServedCertificate | undefined,
  now: Instant,
): string | undefined {
  const faults = faultsAt(next, now);
  const before = former && !former.place.selfSigned ? faultsAt(former, now) : undefined;
  return (["date", "name", "chain"] as const).flatMap((kind) => (before?.[kind] ? [] : (faults[kind] ?? []))).at(0);
}

/** Why clients that verify it would refuse it; nobody verifies one that the server made. */
export function faultsAt({ place, facts }: ServedCertificate, now: Instant): Partial<CertificateFaults> {
  if (place.selfSigned) return {};
  const { chain, ...others } = faultsOf(facts, place.names, now);
  return place.byAcme === true ? others : { ...others, chain };
}

/** The names under which clients are shown this one rather than the first. */
export function namesServed({ place, facts }: ServedCertificate): readonly string[] {
  const names = place.names.length > 0 ? place.names.map(asciiLowerCase) : facts.dnsNames;
  return names.filter((name) => isIP(name) === 0);
}

/** As events tell it. */
export function described({ subject, names, validTo, fingerprint256 }: CertificateFacts) {
  return { subject, names, valid_to: new Date(validTo).toISOString(), fingerprint: fingerprint256 };
}
