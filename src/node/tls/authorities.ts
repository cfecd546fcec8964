/** The authorities that this machine trusts: read once, since it takes a tenth of a second; a change needs a restart. */
import { X509Certificate } from "node:crypto";
import { getCACertificates } from "node:tls";

let roots: readonly string[] | undefined;
let bySubject: ReadonlyMap<string, readonly X509Certificate[]> | undefined;

/**
 * PEM of Node's own roots with `NODE_EXTRA_CA_CERTS`, and of those of the system, where an administrator adds an authority
 * of the house.
 */
export function usualRoots(): readonly string[] {
  roots ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  return roots;
}

/** Whether one of them issued the certificate. */
export function isFromUsualRoot(certificate: X509Certificate): boolean {
  bySubject ??= Map.groupBy(usualRoots().flatMap(parsed), ({ subject }) => subject);
  return (bySubject.get(certificate.issuer) ?? []).some((root) => certificate.verify(root.publicKey));
}

/** A store may hold what OpenSSL does not read; it vouches for nobody. */
function parsed(pem: string): readonly X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    return [];
  }
}
