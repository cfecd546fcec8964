/** Signs by author: finds the keys for the domain in From, and never lets a message fail over its signature. */
import type { BodyHashes } from "../dkim/body-hashes.ts";
import { MessageSigner } from "../dkim/signer.ts";
import type { SigningKey } from "../dkim/signing-key.ts";
import { readAuthorDomain } from "../dmarc/author-domain.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { Clock } from "../ports/clock.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { Log } from "../ports/log.ts";
import type { MessageSigning, PendingSignatures } from "./message-signing.ts";

export interface DomainSigningParts {
  readonly clock: Clock;
  readonly crypto: SignatureCrypto;
  readonly log: Log;
  /** As {@link SigningKeys.forDomain} gives them. */
  readonly signingKeysFor: (domain: string) => readonly SigningKey[];
}

export class DomainSigning implements MessageSigning {
  readonly #parts: DomainSigningParts;

  constructor(parts: DomainSigningParts) {
    this.#parts = parts;
  }

  begin(header: HeaderSection, bodies: BodyHashes): PendingSignatures | undefined {
    const { clock, crypto, log, signingKeysFor } = this.#parts;
    const author = readAuthorDomain(header);
    if (author.kind !== "domain") return undefined;
    const { domain } = author;
    const keys = signingKeysFor(domain);
    const signer = MessageSigner.begin(header, bodies, { keys, crypto, now: clock.now() });
    if (signer === undefined) return undefined;
    return {
      finish: async () => {
        try {
          return await signer.finish();
        } catch (error) {
          log.event("signing-failed", { domain, error: String(error) });
          return "";
        }
      },
    };
  }
}
