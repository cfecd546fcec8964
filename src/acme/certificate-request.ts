/** Asks for a certificate: PKCS#10 (RFC 2986), with the names as subjectAltName, signed with ECDSA P-256. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { bitString, der, derTags, dnsName, extension, objectIds, oid } from "../lib/der.ts";

/**
 * In DER. The subject stays empty: authorities take the names from the extension (RFC 8555 §7.4), and common names have a
 * length that host names may exceed.
 *
 * @param keyPem a P-256 key
 * @param names in A-labels; `*.` may begin one
 */
export function certificateRequest(keyPem: string, names: readonly string[]): Buffer {
  const privateKey = createPrivateKey(keyPem);
  const alternatives = extension(
    objectIds.subjectAltName,
    false,
    der(derTags.sequence, ...names.map((name) => dnsName(name))),
  );
  const wantedExtensions = der(derTags.set, der(derTags.sequence, alternatives));
  const body = der(
    derTags.sequence,
    der(derTags.integer, Buffer.of(0)),
    der(derTags.sequence),
    createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    der(0xa0, der(derTags.sequence, oid(objectIds.extensionRequest), wantedExtensions)),
  );
  const algorithm = der(derTags.sequence, oid(objectIds.ecdsaWithSha256));
  return der(derTags.sequence, body, algorithm, bitString(sign("sha256", body, privateKey)));
}
