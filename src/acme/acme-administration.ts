/** What operators see and ask of ACME: the state of the certificate, a renewal now, a roll-over of its key. */
import { X509Certificate } from "node:crypto";
import type { Instant } from "../lib/instant.ts";
import type { AcmeFiles, AcmeState } from "./acme-files.ts";
import { newEcKeyPem } from "./jws.ts";
import { type AcmeTerms, namesWanted } from "./settings.ts";
import { tlsaText } from "./tlsa.ts";

export interface AcmeStatus {
  readonly directory: string;
  readonly challenge: string;
  readonly names: readonly string[];
  readonly account: string | undefined;
  readonly certificate: { readonly names: string; readonly issuer: string; readonly validTo: Instant } | undefined;
  readonly state: AcmeState | undefined;
  /** Of the key in use, and of the one that follows it. */
  readonly tlsa: { readonly current: string | undefined; readonly next: string | undefined };
}

export interface AcmeAdministrationOptions {
  readonly files: AcmeFiles;
  /** Undefined: ACME is not configured. */
  readonly terms: () => AcmeTerms | undefined;
  /** Has the running server look at once; absent: none runs. */
  readonly look?: (options: { readonly afterFailure: boolean }) => Promise<void>;
}

export class AcmeAdministration {
  readonly #options: AcmeAdministrationOptions;

  constructor(options: AcmeAdministrationOptions) {
    this.#options = options;
  }

  /** Undefined: ACME is not configured. */
  async status(): Promise<AcmeStatus | undefined> {
    const { files } = this.#options;
    const terms = this.#options.terms();
    if (terms === undefined) return undefined;
    const { directory, challenge } = terms.settings;
    const [account, certificate, state, nextKey] = [
      await files.account(directory),
      await files.certificate(),
      await files.state(),
      await files.nextKey(),
    ];
    const record = (keyPem: string | undefined) => keyPem && tlsaText(terms.hostname, keyPem);
    return {
      directory,
      challenge,
      names: namesWanted(terms),
      account: account?.url,
      certificate: certificate && shown(certificate.chainPem),
      state,
      tlsa: { current: record(certificate?.keyPem), next: record(nextKey) },
    };
  }

  /** Makes the next key, unless there is one; the server takes it once DNS shows both records, or shows none at all. */
  async rollOver(): Promise<AcmeStatus | undefined> {
    const { files, look } = this.#options;
    if (this.#options.terms() === undefined) return undefined;
    if ((await files.nextKey()) === undefined) await files.keepNextKey(newEcKeyPem());
    const status = await this.status();
    // What comes of it is in the log and in later answers.
    look?.({ afterFailure: false }).catch(() => undefined);
    return status;
  }

  /** Tries again at once after a failure; a certificate that is not due stays. Resolves when the attempt is over. */
  async retry(): Promise<AcmeStatus | undefined> {
    if (this.#options.terms() === undefined) return undefined;
    await this.#options.look?.({ afterFailure: true });
    return await this.status();
  }
}

function shown(chainPem: string): AcmeStatus["certificate"] {
  try {
    const { subjectAltName = "", issuer, validToDate } = new X509Certificate(chainPem);
    return { names: subjectAltName, issuer: issuer.replaceAll("\n", ", "), validTo: validToDate.getTime() };
  } catch {
    return undefined;
  }
}
