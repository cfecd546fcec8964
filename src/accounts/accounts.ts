/**
 * The account directory of production: what the configuration declares together with the users that `posthaste user`
 * made. Addresses are answered from memory at once; passwords through the thread pool, with limits on guessing.
 */
import { domainKeyOf } from "../address/domain.ts";
import { mailboxKey } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { errorText } from "../lib/error-text.ts";
import { InTurn } from "../lib/in-turn.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import { prepareString } from "../sasl/string-preparation.ts";
import type { PasswordClaim, ProofClaim } from "../sasl/server-mechanism.ts";
import { parseScramVerifiers, type ScramDigest, type ScramVerifier } from "../sasl/scram-verifier.ts";
import type {
  AccountDirectory,
  LoginClaim,
  LoginResult,
  Resolution,
  ShownCertificate,
  SignInMeans,
} from "./account-directory.ts";
import { type AccountProblem, AccountTable, type User } from "./account-table.ts";
import { type AppPassword, AppPasswords, type AppPasswordScope, permits } from "./app-passwords.ts";
import { clientNetwork } from "./client-network.ts";
import { LastUses } from "./last-uses.ts";
import { PasswordCheck } from "./password-check.ts";
import { commonDigests, type PasswordsOfUser, ScramVerifiers } from "./scram-verifiers.ts";
import type { AccountSettings } from "./settings.ts";
import { MemorySignInLimits, type SignInLimits, type SignInOutcome } from "./sign-in-limits.ts";
import { type CertificateHolder, holdersOf, type UserKey } from "./user-keys.ts";
import type { TokenCheck } from "./token-check.ts";
import type { StoredUser, UserStore } from "./user-store.ts";

/** Who is local, as data that may cross to another thread: equal ones make equal tables. Each change makes a new one. */
export interface AccountSnapshot {
  /** Rises with each change. */
  readonly version: number;
  readonly settings: AccountSettings;
  /** As they were last read. */
  readonly users: readonly StoredUser[];
  /** By which users sign in; likewise. */
  readonly keys: readonly UserKey[];
  readonly appPasswords: readonly AppPassword[];
}

type Stored = Pick<AccountSnapshot, "users" | "keys" | "appPasswords">;

/** What a password or a proof of one turned out to be. */
type Credential = { readonly kind: "own" } | { readonly kind: "app-password"; readonly appPassword: AppPassword };

/** All clients of the HTTP API count as one network, apart from those of mail: their addresses are not known here. */
const apiNetwork = "http-api";

export interface AccountsOptions {
  readonly settings: AccountSettings;
  readonly store: UserStore;
  readonly crypto: PasswordCrypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly signInLimits?: SignInLimits;
  /** Absent: nobody signs in by token. */
  readonly tokens?: TokenCheck;
}

export class Accounts implements AccountDirectory {
  readonly #options: AccountsOptions;
  readonly #passwords: PasswordCheck;
  readonly #scram: ScramVerifiers;
  readonly #signInLimits: SignInLimits;
  readonly #reloads = new InTurn();
  readonly #keyUses: LastUses;
  readonly #appPasswordUses: LastUses;
  #snapshot: AccountSnapshot;
  #table: AccountTable;
  #keys: ReadonlyMap<string, UserKey> = new Map();
  #appPasswords = new AppPasswords();
  #verifiers: ReadonlySet<ScramDigest> = new Set();

  private constructor(
    options: AccountsOptions,
    checks: { readonly passwords: PasswordCheck; readonly scram: ScramVerifiers },
    stored: Stored,
  ) {
    this.#options = options;
    this.#passwords = checks.passwords;
    this.#scram = checks.scram;
    this.#signInLimits = options.signInLimits ?? new MemorySignInLimits();
    this.#keyUses = new LastUses(options.clock, options.store.keys.uses);
    this.#appPasswordUses = new LastUses(options.clock, options.store.appPasswords.uses);
    this.#snapshot = { version: 1, settings: options.settings, ...stored };
    this.#table = new AccountTable(this.#snapshot);
    this.#derive();
  }

  static async open(options: AccountsOptions): Promise<Accounts> {
    const passwords = await PasswordCheck.open(options);
    const scram = new ScramVerifiers(await options.store.decoyKey(options.random));
    return new Accounts(options, { passwords, scram }, await read(options.store));
  }

  /** Takes users that `posthaste user` changed, whole and at once. */
  reload(): Promise<void> {
    return this.#reloads.run(async () => {
      const stored = await read(this.#options.store);
      // The settings that are in force now: others may have been put in force while the users were read.
      this.#use({ settings: this.#snapshot.settings, ...stored });
    });
  }

  /** Makes ready for changed settings. Rejects where the users cannot be read; the function it gives cannot fail. */
  prepare(settings: AccountSettings): Promise<() => void> {
    return this.#reloads.run(async () => {
      const stored = await read(this.#options.store);
      const table = new AccountTable({ settings, users: stored.users });
      const { version } = this.#snapshot;
      return () => {
        // Somebody may have changed users in the meantime, and has been answered.
        if (this.#snapshot.version === version) this.#use({ settings, ...stored }, table);
        else this.#use({ ...this.#snapshot, settings });
      };
    });
  }

  /** In force. */
  get snapshot(): AccountSnapshot {
    return this.#snapshot;
  }

  /** What does not fit together, the users in the data directory included. */
  get problems(): readonly AccountProblem[] {
    return this.#table.problems;
  }

  /** As it stands; a reload replaces it. */
  get table(): AccountTable {
    return this.#table;
  }

  resolve(mailbox: Mailbox, ourAddress?: string): Resolution {
    return this.#table.resolve(mailbox, ourAddress);
  }

  mayUse(login: string, mailbox: Mailbox): boolean {
    const key = keyOfUsername(login);
    const resolution = this.#table.resolve(mailbox);
    return key !== undefined && resolution.kind === "local" && resolution.targets.some(({ user }) => user === key);
  }

  signInMeans(): SignInMeans {
    return { verifiers: this.#verifiers, tokens: this.#options.tokens !== undefined };
  }

  verifiersOf(username: string, digest: ScramDigest): readonly ScramVerifier[] {
    const prepared = prepareString(username);
    const key = prepared === undefined ? username : (keyOfUsername(prepared) ?? prepared);
    const user = this.#table.user(key);
    return this.#scram.for(key, digest, user === undefined ? [] : this.#verifiersOf(user));
  }

  async authenticate(claim: LoginClaim, clientAddress: string): Promise<LoginResult> {
    if (claim.kind === "token") return await this.#checkToken(claim.token, claim.authorizationId);
    if (claim.kind === "certificate") return await this.#checkCertificate(claim, claim.authorizationId);
    return await this.#checkPassword(claim, { network: clientNetwork(clientAddress), scope: "send" });
  }

  /** For the HTTP API: only an app password with this scope signs in there. Never rejects. */
  async authenticateForApi(
    { username, password }: { readonly username: string; readonly password: string },
    scope: Exclude<AppPasswordScope, "send">,
  ): Promise<LoginResult> {
    const claim = { kind: "password", username, password, authorizationId: "" } as const;
    return await this.#checkPassword(claim, { network: apiNetwork, scope });
  }

  async #checkPassword(
    claim: ProofClaim | PasswordClaim,
    { network, scope }: { readonly network: string; readonly scope: AppPasswordScope },
  ): Promise<LoginResult> {
    const username = prepareString(claim.username);
    const password = claim.kind === "proof" ? "" : prepareString(claim.password);
    if (username === undefined || password === undefined) return { kind: "refused", reason: "prohibited-characters" };
    // A name that can be no address is counted and checked like any other.
    const key = keyOfUsername(username) ?? username;
    const { clock } = this.#options;
    let outcome: SignInOutcome = "unchecked";
    const start = await this.#signInLimits.begin({ account: key, network }, clock.monotonicMs());
    if (start.kind === "wait") return { kind: "throttled", retryAfterMs: start.waitMs };
    try {
      const user = this.#table.user(key);
      const credential =
        claim.kind === "proof"
          ? this.#provenCredential(claim.verifier, user)
          : await this.#shownCredential(password, { key, user, scope });
      if (credential === "busy") return { kind: "unavailable", reason: "too many password checks are waiting" };
      // What is right and used in the wrong place is no guess.
      const appPassword = credential?.kind === "app-password" ? credential.appPassword : undefined;
      if (appPassword !== undefined && !permits(appPassword.scopes, scope)) {
        return { kind: "refused", reason: "out-of-scope" };
      }
      outcome = "failed";
      if (user === undefined) return { kind: "refused", reason: "unknown-user" };
      if (credential === undefined) return { kind: "refused", reason: "wrong-password" };
      if (!this.#mayActAs(key, claim.authorizationId)) return { kind: "refused", reason: "other-identity" };
      outcome = "succeeded";
      if (appPassword === undefined) return { kind: "accepted", login: user.address };
      await this.#appPasswordUses.note(appPassword.id);
      return { kind: "accepted", login: user.address, by: `app password ${appPassword.label}` };
    } catch (error) {
      return { kind: "unavailable", reason: errorText(error) };
    } finally {
      await start.end(outcome, clock.monotonicMs());
    }
  }

  /** A failure takes the same work whether or not there is such a user, and whatever passwords the user has. */
  async #shownCredential(
    password: string,
    { key, user, scope }: { readonly key: string; readonly user: User | undefined; readonly scope: AppPasswordScope },
  ): Promise<Credential | "busy" | undefined> {
    const appPassword = this.#appPasswords.byPassword(key, password);
    if (appPassword !== undefined && user !== undefined) return { kind: "app-password", appPassword };
    // The API takes no other password: that would let who reads one mail program's settings administer the server.
    const matches = await this.#passwords.matches(password, scope === "send" ? (user?.passwords ?? []) : []);
    return matches === true ? { kind: "own" } : matches || undefined;
  }

  /** The password may have been changed since the exchange began. */
  #provenCredential(proven: ScramVerifier | undefined, user: User | undefined): Credential | undefined {
    if (proven === undefined || user === undefined) return undefined;
    if (user.scram.some(({ storedKey }) => same(storedKey, proven.storedKey))) return { kind: "own" };
    const appPassword = this.#appPasswords.byProof(user.key, proven);
    return appPassword && { kind: "app-password", appPassword };
  }

  knowsCertificate(shown: ShownCertificate): boolean {
    return this.#holders(shown).length > 0;
  }

  /** No limit on guessing: nobody guesses a key, and TLS has proven it. */
  async #checkCertificate(shown: ShownCertificate, authorizationId: string): Promise<LoginResult> {
    const holders = this.#holders(shown);
    // RFC 4422 §A.1: without an authorization id the certificate decides, which it can only where it names one user.
    const chosen = holders.filter(({ user }) => this.#mayActAs(user, authorizationId));
    const [holder] = chosen;
    const user = holder && this.#table.user(holder.user);
    if (holders.length === 0 || holder === undefined || user === undefined) {
      return { kind: "refused", reason: holders.length === 0 ? "unknown-key" : "other-identity" };
    }
    if (chosen.length > 1) return { kind: "refused", reason: "other-identity" };
    if (holder.key !== undefined) await this.#keyUses.note(holder.key.sha256);
    return { kind: "accepted", login: user.address, by: holder.by };
  }

  #holders({ certificate, identity }: ShownCertificate): readonly CertificateHolder[] {
    // Not prepared as typed names are: a name that an authority wrote for somebody else must not become this user's.
    const userOf = (name: string): string | undefined => {
      const key = keyOfUsername(name);
      return key === undefined ? undefined : this.#table.user(key)?.key;
    };
    return holdersOf(certificate, { keys: this.#keys, identity, now: this.#options.clock.now(), userOf });
  }

  async #checkToken(token: string, authorizationId: string): Promise<LoginResult> {
    const { tokens } = this.#options;
    if (tokens === undefined) return { kind: "unavailable", reason: "nobody checks tokens" };
    const result = await tokens.check(token);
    if (result.kind === "unavailable") return result;
    const key = result.kind === "valid" ? keyOfUsername(result.username) : undefined;
    if (key === undefined) return { kind: "refused", reason: "wrong-token" };
    const user = this.#table.user(key);
    if (user === undefined) return { kind: "refused", reason: "unknown-user" };
    if (!this.#mayActAs(key, authorizationId)) return { kind: "refused", reason: "other-identity" };
    return { kind: "accepted", login: user.address };
  }

  /** RFC 4616 §2: nobody acts as somebody else; naming oneself twice is fine. */
  #mayActAs(key: string, authorizationId: string): boolean {
    if (authorizationId === "") return true;
    const prepared = prepareString(authorizationId);
    return prepared !== undefined && keyOfUsername(prepared) === key;
  }

  #use(next: Omit<AccountSnapshot, "version">, table = new AccountTable(next)): void {
    this.#snapshot = { ...next, version: this.#snapshot.version + 1 };
    this.#table = table;
    this.#derive();
  }

  /** What follows from snapshot and table. */
  #derive(): void {
    const { users } = this.#table;
    this.#keys = new Map(this.#snapshot.keys.map((key) => [key.sha256, key]));
    this.#appPasswords = new AppPasswords(this.#snapshot.appPasswords);
    this.#keyUses.expect(this.#keys);
    this.#appPasswordUses.expect(this.#appPasswords);
    this.#passwords.expectPasswords(users.map(({ passwords }) => passwords));
    this.#scram.expectVerifiers(users.map((user) => this.#verifiersOf(user)));
    this.#verifiers = commonDigests(users.map((user) => this.#passwordsOf(user)));
  }

  #verifiersOf({ key, scram }: User): readonly ScramVerifier[] {
    return [...scram, ...this.#appPasswords.verifiersOf(key)];
  }

  #passwordsOf({ key, passwords, scram }: User): PasswordsOfUser {
    const forMail = this.#appPasswords.of(key).filter(({ scopes }) => scopes.includes("send"));
    return { passwords, scram, appPasswords: forMail.map((one) => parseScramVerifiers(one.scram)) };
  }
}

async function read(store: UserStore): Promise<Stored> {
  return {
    users: await store.list(),
    keys: await store.keys.list(),
    appPasswords: await store.appPasswords.list(),
  };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a).equals(b);
}

/** A login name is an address; `undefined` when it cannot be one. */
function keyOfUsername(username: string): string | undefined {
  const at = username.lastIndexOf("@");
  const domain = username.slice(at + 1);
  const domainKey = at > 0 ? domainKeyOf(domain) : undefined;
  return domainKey === undefined ? undefined : mailboxKey({ localPart: username.slice(0, at), domain, domainKey });
}
