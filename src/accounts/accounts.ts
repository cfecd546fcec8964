/**
 * The account directory of production: what the configuration declares together with the users that `posthaste user`
 * made. Addresses are answered from memory at once; passwords through the thread pool, with limits on guessing.
 */
import { domainKeyOf } from "../address/domain.ts";
import { mailboxKey } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { errorText } from "../lib/error-text.ts";
import type { Instant } from "../lib/instant.ts";
import { InTurn } from "../lib/in-turn.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import { prepareString } from "../sasl/string-preparation.ts";
import type { PasswordClaim, ProofClaim } from "../sasl/server-mechanism.ts";
import type { ScramDigest, ScramVerifier } from "../sasl/scram-verifier.ts";
import type {
  AccountDirectory,
  LoginClaim,
  LoginResult,
  Resolution,
  ShownCertificate,
  SignInMeans,
} from "./account-directory.ts";
import { type AccountProblem, AccountTable, type User } from "./account-table.ts";
import { clientNetwork } from "./client-network.ts";
import { PasswordCheck } from "./password-check.ts";
import { commonDigests, ScramVerifiers } from "./scram-verifiers.ts";
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
}

type Stored = Pick<AccountSnapshot, "users" | "keys">;

/** A key's last use is written down at most so often. */
const useNotedMs = 600_000;

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
  /** When the use of a key was written down last, by its digest. */
  readonly #usesNoted = new Map<string, Instant>();
  #snapshot: AccountSnapshot;
  #table: AccountTable;
  #keys: ReadonlyMap<string, UserKey> = new Map();
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
    return this.#scram.for(key, digest, this.#table.user(key)?.scram ?? []);
  }

  async authenticate(claim: LoginClaim, clientAddress: string): Promise<LoginResult> {
    if (claim.kind === "token") return await this.#checkToken(claim.token, claim.authorizationId);
    if (claim.kind === "certificate") return await this.#checkCertificate(claim, claim.authorizationId);
    const username = prepareString(claim.username);
    const password = claim.kind === "proof" ? "" : prepareString(claim.password);
    if (username === undefined || password === undefined) return { kind: "refused", reason: "prohibited-characters" };
    // A name that can be no address is counted and checked like any other.
    const key = keyOfUsername(username) ?? username;
    const attempt = { account: key, network: clientNetwork(clientAddress) };
    const { clock } = this.#options;
    let outcome: SignInOutcome = "unchecked";
    const start = await this.#signInLimits.begin(attempt, clock.monotonicMs());
    if (start.kind === "wait") return { kind: "throttled", retryAfterMs: start.waitMs };
    try {
      const user = this.#table.user(key);
      const matches = await this.#matches({ ...claim, password }, user);
      if (matches === "busy") return { kind: "unavailable", reason: "too many password checks are waiting" };
      outcome = "failed";
      if (user === undefined) return { kind: "refused", reason: "unknown-user" };
      if (!matches) return { kind: "refused", reason: "wrong-password" };
      if (!this.#mayActAs(key, claim.authorizationId)) return { kind: "refused", reason: "other-identity" };
      outcome = "succeeded";
      return { kind: "accepted", login: user.address };
    } catch (error) {
      return { kind: "unavailable", reason: errorText(error) };
    } finally {
      await start.end(outcome, clock.monotonicMs());
    }
  }

  async #matches(
    claim: (ProofClaim | PasswordClaim) & { readonly password: string },
    user: User | undefined,
  ): Promise<boolean | "busy"> {
    if (claim.kind === "password") return await this.#passwords.matches(claim.password, user?.passwords ?? []);
    const proven = claim.verifier;
    // The password may have been changed since the exchange began.
    return proven !== undefined && (user?.scram.some(({ storedKey }) => same(storedKey, proven.storedKey)) ?? false);
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
    if (holder.key !== undefined) await this.#noteUse(holder.key);
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

  /** For people who look for keys that nobody needs; a sign-in does not fail for it. */
  async #noteUse({ sha256 }: UserKey): Promise<void> {
    const { clock, store } = this.#options;
    const noted = this.#usesNoted.get(sha256);
    if (noted !== undefined && clock.monotonicMs() < noted + useNotedMs) return;
    this.#usesNoted.set(sha256, clock.monotonicMs());
    await store.keys.noteUse(sha256, clock.now()).catch(() => this.#usesNoted.delete(sha256));
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
    this.#passwords.expectPasswords(users.map(({ passwords }) => passwords));
    this.#scram.expectVerifiers(users.map(({ scram }) => scram));
    this.#verifiers = commonDigests(users);
    this.#keys = new Map(this.#snapshot.keys.map((key) => [key.sha256, key]));
    for (const sha256 of this.#usesNoted.keys()) if (!this.#keys.has(sha256)) this.#usesNoted.delete(sha256);
  }
}

async function read(store: UserStore): Promise<Stored> {
  return { users: await store.list(), keys: await store.keys.list() };
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
