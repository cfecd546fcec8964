/**
 * What receiving mail needs to know of domains, users and aliases: is this address ours, where does it lead, may this
 * login use it, is this password right. An interface; `accounts.ts` implements it for production, `any-accounts.ts` for
 * development, where everything is accepted.
 *
 * Answers may come later, for directories that live in another thread or on another machine; those in memory answer at
 * once, because two of these questions are asked for every message.
 */
import type { Mailbox } from "../address/mailbox.ts";
import type { ClientCertificate } from "../ports/client-certificate.ts";
import type { ScramDigest, ScramVerifier } from "../sasl/scram-verifier.ts";
import type { CertificateClaim, PasswordClaim, ProofClaim, TokenClaim, TokenHelp } from "../sasl/server-mechanism.ts";
import type { CertificateIdentity } from "./user-keys.ts";

/** Where one accepted address leads. */
export interface Target {
  /** `local@domain` ready for the wire, case kept. */
  readonly address: string;
  /** The mailbox's `domainKey`. */
  readonly domain: string;
  /** Equal for two spellings of one recipient, so that nobody gets a message twice. */
  readonly key: string;
  /** Key of the user whose mailbox this is; absent for addresses elsewhere. */
  readonly user?: string;
  /** The domain is not ours: mail that comes to us for this is forwarded. */
  readonly elsewhere?: true;
}

export type Resolution =
  /** Ours. Several targets only by an alias. */
  | {
      readonly kind: "local";
      readonly via: "user" | "alias" | "catch-all" | "postmaster" | "any";
      /** At least one. */
      readonly targets: readonly Target[];
      /** The setting that decided, for explanations: `user ann@example.org`, `domain example.org catch_all`. */
      readonly setting: string;
    }
  /** The domain is ours, the name is nobody's. */
  | {
      readonly kind: "unknown";
      readonly setting: string;
      /** Nobody in the domain receives mail. */
      readonly noMail?: true;
    }
  /** The settings lead nowhere (an alias that ends in itself): a fault of ours, so the sender is asked to wait. */
  | {
      readonly kind: "broken";
      readonly reason: "alias-loop" | "alias-too-large" | "alias-without-target";
      readonly setting: string;
    }
  /** Somebody else's domain. */
  | { readonly kind: "not-local" };

/** A login as a mechanism hands it over. */
export type LoginClaim = PasswordClaim | ProofClaim | TokenClaim | (CertificateClaim & ShownCertificate);

/** A client's certificate, and how the listener reads names of it. */
export interface ShownCertificate {
  readonly certificate: ClientCertificate;
  readonly identity: CertificateIdentity;
}

/** With what users can sign in at all; it decides which mechanisms are offered. */
export interface SignInMeans {
  /** Digests for which every user with a password has a SCRAM verifier, and there is such a user. */
  readonly verifiers: ReadonlySet<ScramDigest>;
  /** For clients whose token was refused; undefined: nobody checks OAuth tokens. */
  readonly tokens: TokenHelp | undefined;
}

export type LoginResult =
  /** `login`: the user's address, as declared. `by`: the key, certificate or app password, as in "key laptop". */
  | { readonly kind: "accepted"; readonly login: string; readonly by?: string }
  /** `reason` is for the log only: the client must not learn whether the user exists. */
  | {
      readonly kind: "refused";
      readonly reason:
        | "unknown-user"
        | "wrong-password"
        | "wrong-token"
        /** It was right once; see `TokenResult`. */
        | "expired-token"
        /** The client sent none, to learn which are taken (RFC 7628 §4.3). */
        | "no-token"
        | "unknown-key"
        | "prohibited-characters"
        | "other-identity"
        /** An app password that is right, and not for this. */
        | "out-of-scope";
      /** What is wrong with the token. */
      readonly detail?: string;
    }
  | { readonly kind: "throttled"; readonly retryAfterMs: number }
  /** The check could not be made; nothing is said about the password. */
  | { readonly kind: "unavailable"; readonly reason: string };

export interface AccountDirectory {
  /** `ourAddress`: the address the client connected to, so that `user@[our address]` is ours. */
  resolve(mailbox: Mailbox, ourAddress?: string): Resolution | Promise<Resolution>;
  /** Whether mail may be sent in the name of `mailbox`: the user's own address, `+tag`, and what leads to it. */
  mayUse(login: string, mailbox: Mailbox): boolean | Promise<boolean>;
  signInMeans(): SignInMeans;
  /**
   * SCRAM verifiers of a user, at least one, which share salt and iterations. For a user who has none or does not exist
   * it is made up, always the same for one name (RFC 5802 §9).
   */
  verifiersOf(username: string, digest: ScramDigest): readonly ScramVerifier[] | Promise<readonly ScramVerifier[]>;
  /** Whether the certificate stands for a user. */
  knowsCertificate(shown: ShownCertificate): boolean;
  /** Never rejects. Takes the same time for users who do not exist. */
  authenticate(claim: LoginClaim, clientAddress: string): Promise<LoginResult>;
}
