/**
 * What `intake/` and `outbound/` ask of signing: DKIM signatures for mail of our own domains, made while it arrives, and
 * again where a delivery converts it.
 */
import type { BodyHashes } from "../dkim/body-hashes.ts";
import type { HeaderSection } from "../message/header-section.ts";

export interface MessageSigning {
  /**
   * Called when the header section is complete, before the first octet of the body goes into `bodies`. `header` is as it
   * will be stored. `undefined`: nothing to sign with for this author, or nothing that may be signed (several From).
   */
  begin(header: HeaderSection, bodies: BodyHashes): PendingSignatures | undefined;
}

export interface PendingSignatures {
  /** After `bodies.end()`. Whole header fields, CRLF-ended, to be put on top of the message. "" where keys are gone. */
  finish(): Promise<string>;
}

/** The keys that signatures of ours name, as `selector._domainkey.domain`. */
export function keysNamedIn(signatures: string): readonly string[] {
  const names = signatures.matchAll(/\sd=([^;\s]+);\s+s=([^;\s]+);/g);
  return Array.from(names, ([, domain = "", selector = ""]) => `${selector}._domainkey.${domain}`);
}
