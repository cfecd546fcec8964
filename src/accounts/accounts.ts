/**
 * The account directory of production: what the configuration declares together with the users that `posthaste user`
 * made. Addresses are answered from memory at once; passwords through the thread pool, with limits on guessing.
 */
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { InTurn } from "../lib/in-turn.ts";
import type { TokenCheck } from "../oauth/token-check.ts";
import type { ScramDigest, ScramVerifier } from "../sasl/scram-verifier.ts";
import type {
  AccountDirectory,
  LoginClaim,
  LoginResult,
  Resolution,
  ShownCertificate,
  SignInMeans,
} from "./account-directory.ts";
import { withoutTag } from "./account-key.ts";
import type { AccountProblem } from "./account-problems.ts";
import { AccountTable } from "./account-table.ts";
import type { AppPassword, AppPasswordScope } from "./app-passwords.ts";
import { clientNetwork } from "./client-network.ts";
import { LastUses } from "./last-uses.ts";
import { keyOfUsername, mayActAs } from "./login-name.ts";
import type { AccountSettings } from "./settings.ts";
import { PasswordSignIn, type PasswordSignInOptions } from "./password-sign-in.ts";
import { type SenderGrant, SenderGrants } from "./sender-grants.ts";
import { type CertificateHolder, holdersOf, type UserKey } from "./user-keys.ts";
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
  /** Made by `posthaste user grant`; those of `send_as` are in the settings. */
  readonly grants: readonly SenderGrant[];
}

type Stored = Omit<AccountSnapshot, "version" | "settings">;

/** All clients of the HTTP API count as one network, apart from those of mail: their addresses are not known here. */
const apiNetwork = "http-api";

export interface AccountsOptions extends PasswordSignInOptions {
  readonly settings: AccountSettings;
  /** Absent: nobody signs in by token. */
  readonly tokens?: TokenCheck;
}

export class Accounts implements AccountDirectory {
  readonly #options: AccountsOptions;
  readonly #passwords: PasswordSignIn;
  readonly #reloads = new InTurn();
  readonly #keyUses: LastUses;
  #snapshot: AccountSnapshot;
  #table: AccountTable;
  #keys: ReadonlyMap<string, UserKey> = new Map();
  #grants = new SenderGrants();

  private constructor(options: AccountsOptions, passwords: PasswordSignIn, stored: Stored) {
    this.#options = options;
    this.#passwords = passwords;
    this.#keyUses = new LastUses(options.clock, options.store.keys.uses);
    this.#snapshot = { version: 1, settings: options.settings, ...stored };
    this.#table = new AccountTable(this.#snapshot);
    this.#derive();
  }

  static async open(options: AccountsOptions): Promise<Accounts> {
    return new Accounts(options, await PasswordSignIn.open(options), await read(options.store));
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
    if (key === undefined) return false;
    if (this.#grants.allows(key, mailbox)) return true;
    const resolution = this.#table.resolve(mailbox);
    if (resolution.kind !== "local") return false;
    // Who is only known elsewhere owns what a user of that address would.
    const isOutside = this.#table.user(key) === undefined;
    return resolution.targets.some(({ user, address }) => user === key || (isOutside && ownerOf(address) === key));
  }

  signInMeans(): SignInMeans {
    return { verifiers: this.#passwords.digests, tokens: this.#options.tokens?.help };
  }

  verifiersOf(username: string, digest: ScramDigest): readonly ScramVerifier[] {
    return this.#passwords.verifiersOf(username, digest);
  }

  async authenticate(claim: LoginClaim, clientAddress: string): Promise<LoginResult> {
    if (claim.kind === "token") return await this.#checkToken(claim.token, claim.authorizationId);
    if (claim.kind === "certificate") return await this.#checkCertificate(claim, claim.authorizationId);
    const network = clientNetwork(clientAddress);
    return await this.#passwords.check(claim, { network, clientAddress, scope: "send" });
  }

  /** For the HTTP API: only an app password with this scope signs in there. Never rejects. */
  async authenticateForApi(
    { username, password }: { readonly username: string; readonly password: string },
    scope: Exclude<AppPasswordScope, "send">,
  ): Promise<LoginResult> {
    const claim = { kind: "password", username, password, authorizationId: "" } as const;
    return await this.#passwords.check(claim, { network: apiNetwork, clientAddress: "", scope });
  }

  knowsCertificate(shown: ShownCertificate): boolean {
    return this.#holders(shown).length > 0;
  }

  /** No limit on guessing: nobody guesses a key, and TLS has proven it. */
  async #checkCertificate(shown: ShownCertificate, authorizationId: string): Promise<LoginResult> {
    const holders = this.#holders(shown);
    // RFC 4422 §A.1: without an authorization id the certificate decides, which it can only where it names one user.
    const chosen = holders.filter(({ user }) => mayActAs(user, authorizationId));
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
    if (tokens?.help === undefined) return { kind: "unavailable", reason: "nobody checks tokens" };
    if (token === "") return { kind: "refused", reason: "no-token", detail: "the client asked for the error document" };
    const result = await tokens.check(token);
    if (result.kind === "unavailable") return result;
    if (result.kind === "invalid") {
      const reason = result.expired === true ? "expired-token" : "wrong-token";
      return { kind: "refused", reason, detail: result.reason };
    }
    // Not prepared, as names in certificates are not: what an issuer wrote must not become another user's name.
    const key = keyOfUsername(result.username);
    if (key === undefined) return { kind: "refused", reason: "wrong-token", detail: "it names no address" };
    const user = this.#table.user(key);
    if (user === undefined) return { kind: "refused", reason: "unknown-user" };
    if (!mayActAs(key, authorizationId)) return { kind: "refused", reason: "other-identity" };
    return { kind: "accepted", login: user.address };
  }

  #use(next: Omit<AccountSnapshot, "version">, table = new AccountTable(next)): void {
    this.#snapshot = { ...next, version: this.#snapshot.version + 1 };
    this.#table = table;
    this.#derive();
  }

  /** What follows from snapshot and table. */
  #derive(): void {
    const { settings, keys, appPasswords, grants } = this.#snapshot;
    const { users } = this.#table;
    this.#keys = new Map(keys.map((key) => [key.sha256, key]));
    this.#keyUses.expect(this.#keys);
    this.#passwords.expect(this.#table, appPasswords, settings);
    const declared = users.flatMap(({ key: user, sendAs }) => sendAs.map((address) => ({ user, address })));
    this.#grants = new SenderGrants([...declared, ...grants]);
  }
}

async function read(store: UserStore): Promise<Stored> {
  return {
    users: await store.list(),
    keys: await store.keys.list(),
    appPasswords: await store.appPasswords.list(),
    grants: await store.grants.list(),
  };
}

/** Key of the user whose address this would be. */
function ownerOf(address: string): string | undefined {
  const mailbox = parseMailbox(address);
  if (mailbox === undefined) return undefined;
  const key = mailboxKey(mailbox);
  return withoutTag(key) ?? key;
}
