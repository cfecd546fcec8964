/** `posthaste user` and the API's users: the administration of accounts, as the HTTP side wants it. */
import type { Accounts } from "../../accounts/accounts.ts";
import type { AccountSettings } from "../../accounts/settings.ts";
import { AccountError, UserAdministration } from "../../accounts/user-administration.ts";
import type { UserStore } from "../../accounts/user-store.ts";
import { type UserDirectory, UserError } from "../../admin/app.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PasswordCrypto } from "../../ports/crypto.ts";
import type { Random } from "../../ports/random.ts";

export function userDirectory(parts: {
  /** Those in force. */
  readonly settings: () => AccountSettings;
  /** Told of each change; absent where no server runs. */
  readonly accounts?: Pick<Accounts, "reload">;
  readonly store: UserStore;
  readonly crypto: PasswordCrypto;
  readonly clock: Clock;
  readonly random: Random;
}): UserDirectory {
  const { settings, accounts, store, crypto, clock, random } = parts;
  const administration = () => new UserAdministration({ settings: settings(), store, crypto, clock, random });
  const change = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw error instanceof AccountError ? new UserError(error.message) : error;
    }
    await accounts?.reload();
  };
  return {
    list: async () =>
      (await administration().list()).map(({ address, origin }) => ({
        address,
        source: origin === "stored" ? "data" : "file",
      })),
    add: (address, password) => change(() => administration().add(address, password)),
    setPassword: (address, password) => change(() => administration().changePassword(address, password)),
    remove: (address) => change(() => administration().remove(address)),
  };
}
