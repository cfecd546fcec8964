/** The file of a route's own certificate authorities: read with the configuration, so that a mistake in it is found there. */
import { X509Certificate } from "node:crypto";
import { FileError, type Files } from "../ports/files.ts";

/** The store of a whole system has 200 KB. */
const bytesMax = 1_048_576;
const pemCertificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g;

/** `path`: absolute. */
export async function readAuthorities(
  path: string,
  files: Files,
): Promise<{ readonly pem: string } | { readonly problem: string }> {
  try {
    if (((await files.stat(path))?.size ?? 0) > bytesMax)
      return { problem: `${path} is larger than ${bytesMax} octets` };
    const found = Buffer.from(await files.readFile(path))
      .toString("latin1")
      .match(pemCertificate);
    if (found === null) return { problem: `${path} holds no PEM certificate` };
    for (const pem of found)
      if (!isCertificate(pem)) return { problem: `${path} holds a certificate that cannot be read` };
    return { pem: found.join("\n") };
  } catch (error) {
    if (error instanceof FileError) return { problem: `${path} cannot be read (${error.code})` };
    throw error;
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).serialNumber !== "";
  } catch {
    return false;
  }
}
