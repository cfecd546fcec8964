/**
 * A SASL mechanism seen from the server (RFC 4422): a small value that takes the client's responses and says what comes
 * next. Octets only; base64 and cancelling belong to the protocol core, reply codes to `inbound`, deciding about a claim
 * to `accounts`.
 */
import type { ScramDigest, ScramVerifier } from "./scram-verifier.ts";

/** What the client claims, and with what; each string is valid UTF-8, not yet prepared (see `string-preparation.ts`). */
export type SignInClaim = PasswordClaim | ProofClaim | CertificateClaim | TokenClaim;

export interface PasswordClaim {
  readonly kind: "password";
  /** The identity to act as; "" means the same as `username`. */
  readonly authorizationId: string;
  readonly username: string;
  readonly password: string;
}

export interface ProofClaim {
  readonly kind: "proof";
  readonly authorizationId: string;
  readonly username: string;
  /** The one that the client's proof fits; undefined: none, the password was wrong. */
  readonly verifier: ScramVerifier | undefined;
}

/** The identity is that of the TLS client certificate. */
export interface CertificateClaim {
  readonly kind: "certificate";
  /** "": whomever the certificate stands for. */
  readonly authorizationId: string;
}

export interface TokenClaim {
  readonly kind: "token";
  /** "": whomever the token stands for. */
  readonly authorizationId: string;
  readonly token: string;
}

export type MechanismStep =
  /** To be sent to the client, whose response goes into the next `respond`. */
  | { readonly kind: "challenge"; readonly data: Uint8Array }
  /**
   * The next step needs what is stored for `username`: of at least one verifier, those that share salt and iterations
   * with the first. For a user who does not exist they are made up, always the same for one name (RFC 5802 §9).
   */
  | {
      readonly kind: "lookup";
      readonly username: string;
      readonly digest: ScramDigest;
      readonly found: (verifiers: readonly ScramVerifier[]) => MechanismStep;
    }
  /** Somebody has to decide. Where there is a last challenge for that decision, the client's response to it concludes. */
  | {
      readonly kind: "claim";
      readonly claim: SignInClaim;
      readonly ifAccepted?: Uint8Array;
      readonly ifRefused?: Uint8Array;
    }
  /** The last challenge was answered; the decision about the claim counts. */
  | { readonly kind: "concluded" }
  /** The client broke the mechanism's grammar or rules; `reason` is for the log, never for the client. */
  | { readonly kind: "malformed"; readonly reason: string };

export interface ServerMechanism {
  /** `undefined` only in the first call, where the client sent no initial response. */
  respond(response: Uint8Array | undefined): MechanismStep;
}

/** What is so on one connection, by which mechanisms are offered that can succeed there. */
export interface MechanismConditions {
  /** TLS, a unix socket, or development: nobody else reads along. */
  readonly privateChannel: boolean;
  /** The TLS layer has channel binding data for a -PLUS mechanism. */
  readonly channelBinding: boolean;
  /** Digests for which every account with a password has a SCRAM verifier. */
  readonly verifiers: ReadonlySet<ScramDigest>;
  /** The client presented a certificate or key that stands for somebody. */
  readonly certificate: boolean;
  /** Somebody checks OAuth tokens. */
  readonly tokens: boolean;
}

/** For a client whose token was refused: where it gets one that will do, as far as we know (RFC 7628 §3.2.2). */
export interface TokenHelp {
  /** A single one, since clients cannot all take several. */
  readonly scope?: string;
  /** URL of the issuer's OpenID configuration. */
  readonly configuration?: string;
}

export interface MechanismKind {
  /** As registered with IANA, upper case. */
  readonly name: string;
  /** false: the server speaks first, and an initial response is an error (RFC 4954 §4). */
  readonly acceptsInitialResponse: boolean;
  /** Whether the mechanism can succeed; never for one that shows a password without TLS (RFC 4954 §4, §9). */
  isPossible(conditions: MechanismConditions): boolean;
  begin(options: ExchangeOptions): ServerMechanism;
}

export interface ExchangeOptions {
  /** A name or a password may be empty. Only for development: RFC 4616 §2 asks for at least one character in each. */
  readonly takesEmpty?: boolean;
  /** Our part of a nonce: at least 18 octets of chance in printable ASCII without a comma. Asked once. */
  readonly nonce: () => string;
  /** Data of the TLS layer for a channel binding type; undefined: it has none of that type. */
  readonly channelBinding: (type: string) => Uint8Array | undefined;
  /** A -PLUS mechanism was offered: a client that could bind and says that we cannot was lied to (RFC 5802 §6). */
  readonly bindingOffered: boolean;
  /** Goes into the error document for a refused token. */
  readonly tokenHelp?: TokenHelp | undefined;
}
