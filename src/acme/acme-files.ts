/**
 * What ACME keeps in `data_dir/acme`, readable only for the server's user: the account, the certificate with its key, the
 * next key of a roll-over, and what is planned. Each file is replaced as a whole, so a crash leaves the old or the new one.
 */
import { createPrivateKey } from "node:crypto";
import { z } from "zod";
import { FileError, type Files } from "../ports/files.ts";

const account = z.object({
  version: z.literal(1),
  directory: z.string(),
  key: z.string(),
  /** Absent: there is a key, and the authority was not asked yet, or did not answer. */
  url: z.string().optional(),
});

const state = z.object({
  version: z.literal(1),
  /** Milliseconds since 1970, as all times here. */
  renewAt: z.number().optional(),
  /** Who said so. */
  renewalBy: z.enum(["authority", "lifetime"]).optional(),
  /** When the authority is asked again when to renew (RFC 9773 §4.3). */
  askAgainAt: z.number().optional(),
  /** Where in the authority's window, and how early otherwise: drawn for each certificate. */
  chance: z.number(),
  failure: z.object({ at: z.number(), problem: z.string(), retryAt: z.number(), attempts: z.number() }).optional(),
  /** Since when DNS shows the records of both keys, and how long they have to be there. */
  bothShown: z.object({ since: z.number(), waitMs: z.number() }).optional(),
});

export type AcmeAccount = z.output<typeof account>;
export type AcmeState = z.output<typeof state>;

export interface AcmeCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** The certificate and its key are one file, so that they always belong together. */
export function acmeCertificateFile(dataDir: string): string {
  return `${dataDir}/acme/certificate-and-key.pem`;
}

export class AcmeFiles {
  readonly #files: Files;
  readonly #folder: string;
  readonly #certificate: string;

  constructor(files: Files, dataDir: string) {
    this.#files = files;
    this.#folder = `${dataDir}/acme`;
    this.#certificate = acmeCertificateFile(dataDir);
  }

  /** Undefined: there is none for this directory. */
  async account(directory: string): Promise<AcmeAccount | undefined> {
    const read = await this.#json("account.json", account);
    return read?.directory === directory ? read : undefined;
  }

  async keepAccount(kept: Omit<AcmeAccount, "version">): Promise<void> {
    await this.#write("account.json", JSON.stringify({ version: 1, ...kept }));
  }

  /** What cannot be understood is as good as nothing: it is planned anew. */
  async state(): Promise<AcmeState | undefined> {
    return await this.#json("state.json", state);
  }

  async keepState(kept: Omit<AcmeState, "version">): Promise<void> {
    await this.#write("state.json", JSON.stringify({ version: 1, ...kept }));
  }

  async certificate(): Promise<AcmeCertificate | undefined> {
    const text = await this.#text(this.#certificate);
    const at = text?.indexOf("-----BEGIN PRIVATE KEY-----") ?? -1;
    return text === undefined || at < 0 ? undefined : { chainPem: text.slice(0, at), keyPem: text.slice(at) };
  }

  async keepCertificate({ chainPem, keyPem }: AcmeCertificate): Promise<void> {
    await this.#files.makeDirectory(this.#folder, 0o700);
    await this.#files.replaceFile(this.#certificate, Buffer.from(`${chainPem.trimEnd()}\n${keyPem}`), 0o600);
  }

  /** The key that the next certificate is for. */
  async nextKey(): Promise<string | undefined> {
    const pem = await this.#text(`${this.#folder}/next.key`);
    return pem !== undefined && isKey(pem) ? pem : undefined;
  }

  async keepNextKey(pem: string): Promise<void> {
    await this.#write("next.key", pem);
  }

  async dropNextKey(): Promise<void> {
    await this.#files.remove(`${this.#folder}/next.key`);
  }

  async #json<Shape extends z.ZodType>(name: string, shape: Shape): Promise<z.output<Shape> | undefined> {
    const text = await this.#text(`${this.#folder}/${name}`);
    if (text === undefined) return undefined;
    try {
      return shape.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  }

  async #text(path: string): Promise<string | undefined> {
    try {
      return Buffer.from(await this.#files.readFile(path)).toString("utf8");
    } catch (error) {
      if (error instanceof FileError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  async #write(name: string, text: string): Promise<void> {
    await this.#files.makeDirectory(this.#folder, 0o700);
    await this.#files.replaceFile(`${this.#folder}/${name}`, Buffer.from(text), 0o600);
  }
}

function isKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === "prime256v1";
  } catch {
    return false;
  }
}
