/** Key pairs in the forms that we, OpenDKIM and dkimpy read, with the records to publish. */
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { Folder } from "./folder.ts";

export interface DkimKey {
  readonly domain: string;
  readonly selector: string;
  /** The private half as PEM, PKCS#8. */
  readonly pemFile: string;
  /** As dkimpy reads it: PEM for RSA, the bare seed in base64 for Ed25519. */
  readonly dkimpyFile: string;
  readonly record: readonly [string, readonly string[]];
}

export function makeDkimKey(
  folder: Folder,
  {
    domain,
    selector,
    algorithm,
  }: { readonly domain: string; readonly selector: string; readonly algorithm: "rsa" | "ed25519" },
): DkimKey {
  const { privateKey, publicKey } =
    algorithm === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ed25519");
  const pemFile = folder.file(`${selector}.${domain}.pem`);
  writeFileSync(pemFile, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  const spki = publicKey.export({ format: "der", type: "spki" });
  // RFC 8463 §4: 32 octets of key, in both halves the last ones of their DER form.
  const published = algorithm === "rsa" ? spki : spki.subarray(-32);
  let dkimpyFile = pemFile;
  if (algorithm === "ed25519") {
    dkimpyFile = folder.file(`${selector}.${domain}.seed`);
    writeFileSync(dkimpyFile, privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32).toString("base64"));
  }
  return {
    domain,
    selector,
    pemFile,
    dkimpyFile,
    record: [`TXT ${selector}._domainkey.${domain}`, [`v=DKIM1; k=${algorithm}; p=${published.toString("base64")}`]],
  };
}

/** The `[[dkim.key]]` entry: such a key signs as soon as its record is seen. */
export const declared = ({ domain, selector, pemFile }: DkimKey): string =>
  `[[dkim.key]]\ndomain = "${domain}"\nselector = "${selector}"\nkey = { file = "${pemFile}" }\n`;
