/**
 * What `posthaste user app-password` does, in a running server or on a data directory at rest. Users of the configuration
 * file can have app passwords, too: they add a way to sign in, and change nothing that the file says.
 */
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import { parseScramVerifiers } from "../sasl/scram-verifier.ts";
import { AccountError } from "./account-error.ts";
import type { User } from "./account-table.ts";
import { type AppPassword, appPasswordId, type AppPasswordScope, makeAppPassword } from "./app-passwords.ts";
import { findUser, userKeyOf } from "./find-user.ts";
import { labelFor } from "./credential-label.ts";
import { firstOf } from "./scram-verifiers.ts";
import { type AccountSettings, scramDigestsOf } from "./settings.ts";
import { makeScramVerifier } from "./user-administration.ts";
import type { UserStore } from "./user-store.ts";

export interface ListedAppPassword extends Pick<AppPassword, "label" | "scopes" | "createdAt"> {
  /** Ten minutes exact; absent: never. */
  readonly lastUsedAt?: Instant;
}

/** More than any person has programs, and few enough to be tried in one SCRAM exchange. */
const ofUserMax = 32;

export class AppPasswordAdministration {
  readonly #settings: AccountSettings;
  readonly #store: UserStore;
  readonly #clock: Clock;
  readonly #crypto: PasswordCrypto;
  readonly #random: Random;

  constructor(options: {
    settings: AccountSettings;
    store: UserStore;
    clock: Clock;
    crypto: PasswordCrypto;
    random: Random;
  }) {
    this.#settings = options.settings;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#crypto = options.crypto;
    this.#random = options.random;
  }

  /**
   * Gives the password, which is kept nowhere. `label` absent: `app-password-1` and so on. Rejects with
   * {@link AccountError}.
   */
  async add(
    address: string,
    { label: wanted, scopes }: { readonly label?: string | undefined; readonly scopes: readonly AppPasswordScope[] },
  ): Promise<{ readonly password: string; readonly added: ListedAppPassword }> {
    const user = await this.#find(userKeyOf(address));
    if (user === undefined) throw new AccountError("not-found", `there is no user ${address}`);
    if (scopes.length === 0) throw new AccountError("invalid-app-password", "an app password needs a scope");
    const own = await this.#ownOf(user.key);
    if (own.length >= ofUserMax) throw new AccountError("exists", `${address} has ${ofUserMax} app passwords already`);
    const label = labelFor(wanted, "app-password", own);
    const password = makeAppPassword(this.#random);
    const scram = scopes.includes("send") ? await this.#verifiers(password, user, own) : [];
    const id = appPasswordId(user.key, password);
    const added = { label, scopes: [...new Set(scopes)], createdAt: this.#clock.now() };
    await this.#store.appPasswords.add({ id, user: user.key, scram, ...added });
    return { password, added };
  }

  /** Also of an address that had a user once, where some are left. Rejects with {@link AccountError}. */
  async list(address: string): Promise<readonly ListedAppPassword[]> {
    const listed: ListedAppPassword[] = [];
    for (const { id, label, scopes, createdAt } of await this.#existing(address)) {
      const lastUsedAt = await this.#store.appPasswords.uses.last(id);
      listed.push({ label, scopes, createdAt, ...(lastUsedAt !== undefined && { lastUsedAt }) });
    }
    return listed.toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** It counts for no sign-in that comes later. As in `list`, of former users too. */
  async remove(address: string, label: string): Promise<void> {
    const found = (await this.#existing(address)).find((one) => one.label === label);
    if (found === undefined) throw new AccountError("not-found", `${address} has no app password ${label}`);
    await this.#store.appPasswords.remove([found]);
  }

  /** With the salt of the passwords that the user has, since an exchange begins with one. */
  async #verifiers(password: string, user: User, own: readonly AppPassword[]): Promise<readonly string[]> {
    const others = [...user.scram, ...own.flatMap(({ scram }) => parseScramVerifiers(scram))];
    const ports = { crypto: this.#crypto, random: this.#random };
    const made: string[] = [];
    for (const digest of scramDigestsOf(this.#settings)) {
      made.push(await makeScramVerifier(password, digest, ports, firstOf(others, digest)));
    }
    return made;
  }

  async #existing(address: string): Promise<readonly AppPassword[]> {
    const key = userKeyOf(address);
    const own = await this.#ownOf(key);
    if (own.length === 0 && (await this.#find(key)) === undefined) {
      throw new AccountError("not-found", `there is no user ${address}`);
    }
    return own;
  }

  async #ownOf(user: string): Promise<readonly AppPassword[]> {
    return (await this.#store.appPasswords.list()).filter((one) => one.user === user);
  }

  #find(key: string): Promise<User | undefined> {
    return findUser({ settings: this.#settings, store: this.#store }, key);
  }
}
