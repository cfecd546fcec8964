/** An authority for tests: a root, an intermediate one below it, and certificates for whatever key and names. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
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
} from "../lib/der.ts";
import type { Instant } from "../lib/instant.ts";
import type { CertificatePair } from "../ports/certificates.ts";

const dayMs = 86_400_000;
const uriTag = 0x86;

interface Wanted {
  readonly names: readonly string[];
  readonly validFrom: Instant;
  readonly validTo: Instant;
  /** Says where the issuer's certificate can be had, as public authorities do. */
  readonly issuerUrl?: string;
}

export class CertificateAuthority {
  readonly rootPem: string;
  readonly intermediatePem: string;
  readonly #intermediate = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #name: string;

  constructor(now: Instant, name = "Test Authority") {
    this.#name = name;
    const root = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const years = { validFrom: now - dayMs, validTo: now + 3650 * dayMs };
    const issue = (subject: string, key: KeyObject) =>
      certificate({ subject, issuer: `${name} Root`, key, signer: root.privateKey, ...years, extensions: authority() });
    this.rootPem = issue(`${name} Root`, root.publicKey);
    this.intermediatePem = issue(name, this.#intermediate.publicKey);
  }

  /** The certificate alone, without the intermediate one. `key`: public, or private of the same pair. */
  issue(key: KeyObject, { names, validFrom, validTo, issuerUrl }: Wanted): string {
    const alternatives = der(derTags.sequence, ...names.map(dnsName));
    const place = (url: string) =>
      der(derTags.sequence, der(derTags.sequence, oid(objectIds.caIssuers), der(uriTag, Buffer.from(url))));
    return certificate({
      subject: names[0] ?? "",
      issuer: this.#name,
      key,
      signer: this.#intermediate.privateKey,
      validFrom,
      validTo,
      extensions: [
        extension(objectIds.subjectAltName, false, alternatives),
        ...(issuerUrl === undefined ? [] : [extension(objectIds.authorityInfoAccess, false, place(issuerUrl))]),
        // Not a real identifier of the key: ARI only needs one.
        extension(
          objectIds.authorityKeyIdentifier,
          false,
          der(derTags.sequence, der(0x80, Buffer.from(this.#name.padEnd(20).slice(0, 20)))),
        ),
      ],
    });
  }

  /** A new key with its chain, without the root. */
  pair(wanted: Wanted): CertificatePair {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      certificatePem: this.issue(privateKey, wanted) + this.intermediatePem,
      keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }
}

function authority(): readonly Buffer[] {
  const isAuthority = der(derTags.sequence, der(derTags.boolean, Buffer.of(0xff)));
  return [
    extension(objectIds.basicConstraints, true, isAuthority),
    extension(objectIds.keyUsage, true, der(derTags.bits, Buffer.from([1, 0x06]))), // keyCertSign, cRLSign
  ];
}

interface Parts {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly validFrom: Instant;
  readonly validTo: Instant;
  readonly extensions: readonly Buffer[];
}

function certificate({ subject, issuer, key, signer, validFrom, validTo, extensions }: Parts): string {
  const algorithm = der(derTags.sequence, oid(objectIds.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const publicKey = key.type === "public" ? key : createPublicKey(key);
  const body = der(
    derTags.sequence,
    der(0xa0, der(derTags.integer, Buffer.from([2]))), // version 3
    der(derTags.integer, serial),
    algorithm,
    commonNameOnly(issuer),
    der(derTags.sequence, derTime(validFrom), derTime(validTo)),
    commonNameOnly(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(derTags.sequence, ...extensions)),
  );
  const signature = sign("sha256", body, signer);
  return toPem("CERTIFICATE", der(derTags.sequence, body, algorithm, bitString(signature)));
}
