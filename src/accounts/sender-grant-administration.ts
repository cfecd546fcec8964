/**
 * What `posthaste user grant` does, in a running server or on a data directory at rest. Users of the configuration file can
 * have grants, too; those of their `send_as` are listed, and changed in the file.
 */
import type { Clock } from "../ports/clock.ts";
import { AccountError } from "./account-error.ts";
import { findUser, userKeyOf } from "./find-user.ts";
import type { User } from "./account-table.ts";
import { grantKey, grantsOfUserMax, type SenderGrant } from "./sender-grants.ts";
import type { AccountSettings } from "./settings.ts";
import type { UserStore } from "./user-store.ts";

export interface ListedGrant {
  readonly address: string;
  readonly origin: "configuration" | "stored";
}

export class SenderGrantAdministration {
  readonly #settings: AccountSettings;
  readonly #store: UserStore;
  readonly #clock: Clock;

  constructor(options: { settings: AccountSettings; store: UserStore; clock: Clock }) {
    this.#settings = options.settings;
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** `granted`: an address, or `*@domain`. Rejects with {@link AccountError}. */
  async add(address: string, granted: string): Promise<void> {
    const key = userKeyOf(address);
    if (!(await this.#mayHaveGrants(key))) throw new AccountError("not-found", `there is no user ${address}`);
    const wanted = grantKey(granted);
    if (wanted === undefined) {
      throw new AccountError("invalid-grant", `${granted} is neither an address nor *@ and a domain`);
    }
    const own = await this.#ownOf(key);
    if (own.some((grant) => grantKey(grant.address) === wanted)) {
      throw new AccountError("exists", `${address} may send as ${granted} already`);
    }
    if (own.length >= grantsOfUserMax)
      throw new AccountError("exists", `${address} has ${grantsOfUserMax} grants already`);
    await this.#store.grants.add({ user: key, address: granted, createdAt: this.#clock.now() });
  }

  /** Those of the configuration first. Also of an address that had a user once. Rejects with {@link AccountError}. */
  async list(address: string): Promise<readonly ListedGrant[]> {
    const key = userKeyOf(address);
    const user = await this.#find(key);
    const stored = await this.#ownOf(key);
    if (stored.length === 0 && user === undefined && !(await this.#mayHaveGrants(key))) {
      throw new AccountError("not-found", `there is no user ${address}`);
    }
    return [
      ...(user?.sendAs ?? []).map((granted) => ({ address: granted, origin: "configuration" as const })),
      ...stored.map((grant) => ({ address: grant.address, origin: "stored" as const })),
    ];
  }

  async remove(address: string, granted: string): Promise<void> {
    const key = userKeyOf(address);
    const wanted = grantKey(granted);
    const found = (await this.#ownOf(key)).find((grant) => grantKey(grant.address) === wanted);
    if (found !== undefined) return await this.#store.grants.remove([found]);
    if ((await this.#find(key))?.sendAs.some((declared) => grantKey(declared) === wanted) === true) {
      throw new AccountError(
        "read-only",
        `${granted} is in send_as of ${address}; change it in the configuration file`,
      );
    }
    throw new AccountError("not-found", `${address} has no grant ${granted}`);
  }

  /** Users whom only someone else knows can have grants, too: we cannot tell whether they exist. */
  async #mayHaveGrants(key: string): Promise<boolean> {
    return this.#settings.outsideUsers === true || (await this.#find(key)) !== undefined;
  }

  async #ownOf(user: string): Promise<readonly SenderGrant[]> {
    return (await this.#store.grants.list()).filter((grant) => grant.user === user);
  }

  #find(key: string): Promise<User | undefined> {
    return findUser({ settings: this.#settings, store: this.#store }, key);
  }
}
