/**
 * A SASL mechanism seen from the server (RFC 4422): a small value that takes the client's responses and says what comes
 * next. Octets only; base64 and cancelling belong to the protocol core, reply codes to `inbound`, checking a password to
 * `accounts`.
 */

/** What the client claims; each string is valid UTF-8, not yet prepared (see `string-preparation.ts`). */
export interface PasswordClaim {
  /** The identity to act as; "" means the same as `username`. */
  readonly authorizationId: string;
  readonly username: string;
  readonly password: string;
}

export type MechanismStep =
  /** To be sent to the client, whose response goes into the next `respond`. */
  | { readonly kind: "challenge"; readonly data: Uint8Array }
  /** The exchange is complete as far as the mechanism goes; somebody has to check the password. */
  | { readonly kind: "claim"; readonly claim: PasswordClaim }
  /** The client broke the mechanism's grammar; `reason` is for the log, never for the client. */
  | { readonly kind: "malformed"; readonly reason: string };

export interface ServerMechanism {
  /** `undefined` only in the first call, where the client sent no initial response. */
  respond(response: Uint8Array | undefined): MechanismStep;
}

export interface MechanismKind {
  /** As registered with IANA, upper case. */
  readonly name: string;
  /** false: the server speaks first, and an initial response is an error (RFC 4954 §4). */
  readonly acceptsInitialResponse: boolean;
  /** The password crosses the wire readable: never offered without TLS (RFC 4954 §4, §9). */
  readonly clearText: boolean;
  begin(options?: ExchangeOptions): ServerMechanism;
}

export interface ExchangeOptions {
  /** A name or a password may be empty. Only for development: RFC 4616 §2 asks for at least one character in each. */
  readonly takesEmpty?: boolean;
}
