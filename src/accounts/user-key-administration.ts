/**
 * What `posthaste user key` does, in a running server or on a data directory at rest. Keys are stored for users of the
 * configuration file, too: they add a way to sign in, and change nothing that the file says.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import { AccountError } from "./account-error.ts";
import type { User } from "./account-table.ts";
import { findUser, userKeyOf } from "./find-user.ts";
import { labelFor } from "./credential-label.ts";
import type { AccountSettings } from "./settings.ts";
import { readUserKey, type UserKey } from "./user-keys.ts";
import type { UserStore } from "./user-store.ts";

export interface ListedKey extends UserKey {
  /** Of the user. */
  readonly address: string;
  /** Some minutes exact; absent: never. */
  readonly lastUsedAt?: Instant;
}

/** More than any person has devices. */
const keysOfUserMax = 64;

export class UserKeyAdministration {
  readonly #settings: AccountSettings;
  readonly #store: UserStore;
  readonly #clock: Clock;

  constructor(options: { settings: AccountSettings; store: UserStore; clock: Clock }) {
    this.#settings = options.settings;
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /**
   * `pem`: a certificate or a public key. `label` absent: `key-1` and so on. `expiresAt` absent: the end of the
   * certificate, or none for a bare key. Rejects with {@link AccountError}.
   */
  async add(
    address: string,
    pem: string,
    options: { readonly label?: string | undefined; readonly expiresAt?: Instant | undefined } = {},
  ): Promise<ListedKey> {
    const user = await this.#user(address);
    const read = readUserKey(pem);
    if (read.kind === "problem") throw new AccountError("invalid-key", read.problem);
    const expiresAt = options.expiresAt ?? read.expiresAt;
    if (expiresAt !== undefined && expiresAt <= this.#clock.now()) {
      throw new AccountError("invalid-key", `the key has expired on ${new Date(expiresAt).toISOString().slice(0, 10)}`);
    }
    const keys = await this.#store.keys.list();
    const taken = keys.find(({ sha256 }) => sha256 === read.sha256);
    if (taken !== undefined) {
      throw new AccountError("exists", `this key is registered already, for ${taken.user} as ${taken.label}`);
    }
    const own = keys.filter((key) => key.user === user.key);
    if (own.length >= keysOfUserMax) throw new AccountError("exists", `${address} has ${keysOfUserMax} keys already`);
    const label = labelFor(options.label, "key", own);
    const key: UserKey = {
      sha256: read.sha256,
      user: user.key,
      label,
      createdAt: this.#clock.now(),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    await this.#store.keys.add(key);
    return { ...key, address: user.address };
  }

  /** Also of an address that had a user once, where keys are left. Rejects with {@link AccountError}. */
  async list(address: string): Promise<readonly ListedKey[]> {
    const { owner, own } = await this.#keysOf(address);
    const listed: ListedKey[] = [];
    for (const key of own) {
      const lastUsedAt = await this.#store.keys.uses.last(key.sha256);
      listed.push({ ...key, address: owner, ...(lastUsedAt !== undefined && { lastUsedAt }) });
    }
    return listed.toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** `name`: the label, or the digest of the key. It counts for no sign-in that comes later. As in `list`, of former users too. */
  async remove(address: string, name: string): Promise<void> {
    const { own } = await this.#keysOf(address);
    const key = own.find(({ label, sha256 }) => label === name || sha256 === asciiLowerCase(name));
    if (key === undefined) throw new AccountError("not-found", `${address} has no key ${name}`);
    await this.#store.keys.remove([key]);
  }

  /** `owner`: the user's address as declared, or as given where only keys are left. */
  async #keysOf(address: string): Promise<{ readonly owner: string; readonly own: readonly UserKey[] }> {
    const key = userKeyOf(address);
    const own = (await this.#store.keys.list()).filter(({ user }) => user === key);
    const user = own.length === 0 ? await this.#user(address) : await this.#find(key);
    return { owner: user?.address ?? address, own };
  }

  async #user(address: string): Promise<User> {
    const user = await this.#find(userKeyOf(address));
    if (user === undefined) throw new AccountError("not-found", `there is no user ${address}`);
    return user;
  }

  #find(key: string): Promise<User | undefined> {
    return findUser({ settings: this.#settings, store: this.#store }, key);
  }
}
