/**
 * Checks OAuth bearer tokens (RFC 6750), for OAUTHBEARER and XOAUTH2. An interface: issuer-tokens.ts asks the issuers of
 * the configuration; a program that runs this server may have its own.
 */
import type { TokenHelp } from "../sasl/server-mechanism.ts";

export interface TokenCheck {
  /** For clients whose token was refused. Undefined: there is no issuer now, and nobody can sign in by token. */
  readonly help: TokenHelp | undefined;
  /** Never rejects. */
  check(token: string): Promise<TokenResult>;
}

export type TokenResult =
  /** `username`: whose token it is, as an address. */
  | { readonly kind: "valid"; readonly username: string }
  /** `reason` is for the log only, and holds nothing of the token that would let somebody else use it. */
  | {
      readonly kind: "invalid";
      readonly reason: string;
      /** The issuer signed it, and its time is over: whoever shows it had the right to it, and guesses nothing. */
      readonly expired?: true;
    }
  /** It could not be checked. */
  | { readonly kind: "unavailable"; readonly reason: string };
