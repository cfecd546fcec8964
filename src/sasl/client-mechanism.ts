/**
 * A SASL mechanism seen from the client (RFC 4422): a small value that has a first message and answers challenges. Octets
 * only; base64 and the command belong to the protocol core, and whether a password may cross the connection to the caller.
 */
import type { ScramDigest } from "./scram-verifier.ts";

/** With what this side signs in. */
export type ClientIdentity =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** The certificate was shown in the TLS handshake; "": whomever it stands for. */
  | { readonly kind: "certificate"; readonly authorizationId: string }
  | { readonly kind: "token"; readonly username: string; readonly token: string };

/** What the connection gives to a sign-in. */
export interface ClientChannel {
  /** Our part of a nonce: at least 18 octets of chance in printable ASCII without a comma. Asked at most once. */
  readonly nonce: () => string;
  /** The strongest channel binding that the TLS layer has; undefined: none. */
  readonly channelBinding?: { readonly type: string; readonly data: Uint8Array };
  /**
   * PBKDF2 (RFC 5802 §3, Hi): as many octets as the digest has. Called with the prepared password and a count between
   * 4,096 and 131,072.
   */
  readonly derive: (
    password: string,
    how: { readonly digest: ScramDigest; readonly iterations: number; readonly salt: Uint8Array },
  ) => Uint8Array;
}

export interface ClientMechanism {
  /** As registered with IANA. */
  readonly name: string;
  /** The first message, where the client speaks first. */
  readonly initial: Uint8Array | undefined;
  /** Both sides have said all they must: only then a server's "yes" counts, since it has to prove itself as well. */
  readonly complete: boolean;
  /** undefined: the challenge is not acceptable, or nothing is left to be said; the caller cancels. */
  respond(challenge: Uint8Array): Uint8Array | undefined;
}
