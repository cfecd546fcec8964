/**
 * Sign-in by password, or by proof of one: the passwords of users, their app passwords, and those that only someone else
 * knows. Guessing is limited before anything is checked. A failure takes the same work whether or not there is such a
 * user, and whatever the user has.
 */
import { parseMailbox } from "../address/mailbox-text.ts";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import { parseScramVerifiers, type ScramDigest, type ScramVerifier } from "../sasl/scram-verifier.ts";
import type { PasswordClaim, ProofClaim } from "../sasl/server-mechanism.ts";
import { prepareString } from "../sasl/string-preparation.ts";
import type { LoginResult } from "./account-directory.ts";
import { AccountTable, type User } from "./account-table.ts";
import { type AppPassword, AppPasswords, type AppPasswordScope, permits } from "./app-passwords.ts";
import { LastUses } from "./last-uses.ts";
import { keyOfUsername, mayActAs } from "./login-name.ts";
import { PasswordCheck } from "./password-check.ts";
import type { BoundedSource } from "./password-source.ts";
import { commonDigests, type PasswordsOfUser, ScramVerifiers } from "./scram-verifiers.ts";
import type { AccountSettings } from "./settings.ts";
import { MemorySignInLimits, type SignInLimits, type SignInOutcome } from "./sign-in-limits.ts";
import type { UserStore } from "./user-store.ts";

export interface PasswordSignInOptions {
  readonly store: UserStore;
  readonly crypto: PasswordCrypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly signInLimits?: SignInLimits;
  /** Those in force, in the order in which they are asked; absent: nobody else knows passwords. */
  readonly passwordSources?: () => readonly BoundedSource[];
}

/** Where someone signs in, and for what. */
interface Place {
  readonly network: string;
  readonly clientAddress: string;
  readonly scope: AppPasswordScope;
}

/** What a password, or a proof of one, turned out to be. */
type Finding =
  | { readonly kind: "own"; readonly user: User }
  | { readonly kind: "app-password"; readonly user: User; readonly appPassword: AppPassword }
  | { readonly kind: "outside"; readonly login: string; readonly source: string }
  | { readonly kind: "wrong" }
  | { readonly kind: "unavailable"; readonly reason: string };

const wrong: Finding = { kind: "wrong" };

export class PasswordSignIn {
  readonly #clock: Clock;
  readonly #passwords: PasswordCheck;
  readonly #scram: ScramVerifiers;
  readonly #limits: SignInLimits;
  readonly #uses: LastUses;
  readonly #sources: () => readonly BoundedSource[];
  #table = new AccountTable({ settings: { hostname: "", domains: [], users: [], aliases: [] }, users: [] });
  #appPasswords = new AppPasswords();
  #digests: ReadonlySet<ScramDigest> = new Set();
  #anyPassword = false;
  /** Home of names without a domain. */
  #primaryDomain: string | undefined;

  private constructor(options: PasswordSignInOptions, passwords: PasswordCheck, scram: ScramVerifiers) {
    this.#clock = options.clock;
    this.#passwords = passwords;
    this.#scram = scram;
    this.#limits = options.signInLimits ?? new MemorySignInLimits();
    this.#uses = new LastUses(options.clock, options.store.appPasswords.uses);
    this.#sources = options.passwordSources ?? (() => []);
  }

  /** It knows nobody before {@link expect} is called. */
  static async open(options: PasswordSignInOptions): Promise<PasswordSignIn> {
    const passwords = await PasswordCheck.open(options);
    return new PasswordSignIn(options, passwords, new ScramVerifiers(await options.store.decoyKey(options.random)));
  }

  /** Told whenever users or app passwords change. */
  expect(
    table: AccountTable,
    appPasswords: readonly AppPassword[],
    { domains: [first] }: Pick<AccountSettings, "domains">,
  ): void {
    const { users } = table;
    this.#table = table;
    this.#primaryDomain = first?.name;
    this.#appPasswords = new AppPasswords(appPasswords);
    this.#uses.expect(this.#appPasswords);
    this.#anyPassword = users.some(({ passwords }) => passwords.length > 0);
    this.#passwords.expectPasswords(users.map(({ passwords }) => passwords));
    this.#scram.expectVerifiers(users.map((user) => this.#verifiersOf(user)));
    this.#digests = commonDigests(users.map((user) => this.#passwordsOf(user)));
  }

  /** Digests that can succeed for everybody. Who else knows passwords gives no verifiers. */
  get digests(): ReadonlySet<ScramDigest> {
    return this.#sources().length > 0 ? new Set() : this.#digests;
  }

  verifiersOf(username: string, digest: ScramDigest): readonly ScramVerifier[] {
    const prepared = prepareString(username);
    const key = prepared === undefined ? username : (keyOfUsername(prepared) ?? prepared);
    const user = this.#table.user(key);
    return this.#scram.for(key, digest, user === undefined ? [] : this.#verifiersOf(user));
  }

  /** Never rejects. */
  async check(claim: ProofClaim | PasswordClaim, place: Place): Promise<LoginResult> {
    const username = prepareString(claim.username);
    const password = claim.kind === "proof" ? "" : prepareString(claim.password);
    if (username === undefined || password === undefined) return { kind: "refused", reason: "prohibited-characters" };
    // A name that can be no address is counted and checked like any other.
    const key = keyOfUsername(username) ?? username;
    let outcome: SignInOutcome = "unchecked";
    const start = await this.#limits.begin({ account: key, network: place.network }, this.#clock.monotonicMs());
    if (start.kind === "wait") return { kind: "throttled", retryAfterMs: start.waitMs };
    try {
      const user = this.#table.user(key);
      const finding =
        claim.kind === "proof"
          ? this.#proven(claim.verifier, user)
          : await this.#shown({ username, password }, { ...place, key, user });
      const result = this.#judged(finding, claim.authorizationId, place.scope, user);
      if (result.kind === "accepted") outcome = "succeeded";
      // What is right and used in the wrong place is no guess.
      else if (result.kind === "refused" && result.reason !== "out-of-scope") outcome = "failed";
      if (result.kind === "accepted" && finding.kind === "app-password") await this.#uses.note(finding.appPassword.id);
      return result;
    } catch (error) {
      return { kind: "unavailable", reason: errorText(error) };
    } finally {
      await start.end(outcome, this.#clock.monotonicMs());
    }
  }

  #judged(
    finding: Finding,
    authorizationId: string,
    scope: AppPasswordScope,
    named: User | undefined,
  ): Exclude<LoginResult, { readonly kind: "throttled" }> {
    switch (finding.kind) {
      case "unavailable":
        return finding;
      case "wrong":
        return { kind: "refused", reason: named === undefined ? "unknown-user" : "wrong-password" };
      case "outside": {
        const { login, source } = finding;
        // It goes into logs, histories and policies as the address of a user.
        if (parseMailbox(login) === undefined) {
          return { kind: "unavailable", reason: `${source} names a user whose login is no address` };
        }
        const key = keyOfUsername(login) ?? login;
        const user = this.#table.user(key);
        return actsAs(key, authorizationId, { login: user?.address ?? login, by: `a password that ${source} knows` });
      }
      case "app-password": {
        const { appPassword, user } = finding;
        if (!permits(appPassword.scopes, scope)) return { kind: "refused", reason: "out-of-scope" };
        return actsAs(user.key, authorizationId, { login: user.address, by: `app password ${appPassword.label}` });
      }
      case "own":
        return actsAs(finding.user.key, authorizationId, { login: finding.user.address });
      default:
        return finding satisfies never;
    }
  }

  async #shown(
    shown: { readonly username: string; readonly password: string },
    { key, user, scope, clientAddress }: Place & { readonly key: string; readonly user: User | undefined },
  ): Promise<Finding> {
    const { password } = shown;
    const appPassword = this.#appPasswords.byPassword(key, password);
    if (appPassword !== undefined && user !== undefined) return { kind: "app-password", user, appPassword };
    // The API takes no other password: that would let who reads one mail program's settings administer the server.
    const forMail = scope === "send";
    const sources = forMail ? this.#sources() : [];
    if (this.#anyPassword || sources.length === 0) {
      const matches = await this.#passwords.matches(password, forMail ? (user?.passwords ?? []) : []);
      if (matches === "busy") return { kind: "unavailable", reason: "too many password checks are waiting" };
      if (matches && user !== undefined) return { kind: "own", user };
    }
    let unavailable: Finding | undefined;
    for (const source of sources) {
      const answer = await source.check({ ...shown, clientAddress });
      if (answer.kind === "right") return { kind: "outside", login: this.#homed(answer.login), source: source.name };
      if (answer.kind === "unavailable") unavailable ??= answer;
    }
    return unavailable ?? wrong;
  }

  /** The password may have been changed since the exchange began. */
  #proven(verifier: ScramVerifier | undefined, user: User | undefined): Finding {
    if (verifier === undefined || user === undefined) return wrong;
    if (user.scram.some(({ storedKey }) => Buffer.from(storedKey).equals(verifier.storedKey))) {
      return { kind: "own", user };
    }
    const appPassword = this.#appPasswords.byProof(user.key, verifier);
    return appPassword === undefined ? wrong : { kind: "app-password", user, appPassword };
  }

  /** Users of a whole machine have names without a domain. */
  #homed(login: string): string {
    const domain = this.#primaryDomain;
    return login.includes("@") || domain === undefined ? login : `${login}@${domain}`;
  }

  #verifiersOf({ key, scram }: User): readonly ScramVerifier[] {
    return [...scram, ...this.#appPasswords.verifiersOf(key)];
  }

  #passwordsOf({ key, passwords, scram }: User): PasswordsOfUser {
    const forMail = this.#appPasswords.of(key).filter(({ scopes }) => scopes.includes("send"));
    return { passwords, scram, appPasswords: forMail.map((one) => parseScramVerifiers(one.scram)) };
  }
}

function actsAs(
  key: string,
  authorizationId: string,
  accepted: { readonly login: string; readonly by?: string },
): Exclude<LoginResult, { readonly kind: "throttled" }> {
  if (!mayActAs(key, authorizationId)) return { kind: "refused", reason: "other-identity" };
  return { kind: "accepted", ...accepted };
}
