/** `posthaste user` and the API's users: the administration of accounts, as the HTTP side wants it. */
import type { Accounts } from "../../accounts/accounts.ts";
import type { AccountSettings } from "../../accounts/settings.ts";
import { AccountError } from "../../accounts/account-error.ts";
import { UserAdministration } from "../../accounts/user-administration.ts";
import { AppPasswordAdministration, type ListedAppPassword } from "../../accounts/app-password-administration.ts";
import { SenderGrantAdministration } from "../../accounts/sender-grant-administration.ts";
import { type ListedKey, UserKeyAdministration } from "../../accounts/user-key-administration.ts";
import type { UserStore } from "../../accounts/user-store.ts";
import { type UserDirectory, UserError } from "../../admin/app.ts";
import type { ShownAppPassword } from "../../admin/app-passwords-api.ts";
import type { ShownKey } from "../../admin/user-keys-api.ts";
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
  const keys = () => new UserKeyAdministration({ settings: settings(), store, clock });
  const appPasswords = () => new AppPasswordAdministration({ settings: settings(), store, crypto, clock, random });
  const grants = () => new SenderGrantAdministration({ settings: settings(), store, clock });
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw error instanceof AccountError ? new UserError(error.message) : error;
    }
  };
  const change = async <T>(work: () => Promise<T>): Promise<T> => {
    const done = await run(work);
    await accounts?.reload();
    return done;
  };
  return {
    list: async () =>
      (await administration().list()).map((user) => ({ address: user.address, source: sourceOf(user) })),
    add: (address, password) => change(() => administration().add(address, password)),
    setPassword: (address, password) => change(() => administration().changePassword(address, password)),
    remove: (address) => change(() => administration().remove(address)),
    keys: {
      list: (address) => run(async () => (await keys().list(address)).map(shownKey)),
      add: (address, { pem, label, expiresAt }) =>
        change(async () => shownKey(await keys().add(address, pem, { label, expiresAt }))),
      remove: (address, name) => change(() => keys().remove(address, name)),
    },
    appPasswords: {
      list: (address) => run(async () => (await appPasswords().list(address)).map(shownAppPassword)),
      add: (address, wanted) =>
        change(async () => {
          const { password, added } = await appPasswords().add(address, wanted);
          return { ...shownAppPassword(added), password };
        }),
      remove: (address, label) => change(() => appPasswords().remove(address, label)),
    },
    grants: {
      list: (address) =>
        run(async () =>
          (await grants().list(address)).map((grant) => ({ address: grant.address, source: sourceOf(grant) })),
        ),
      add: (address, granted) => change(() => grants().add(address, granted)),
      remove: (address, granted) => change(() => grants().remove(address, granted)),
    },
  };
}

function sourceOf({ origin }: { readonly origin: "configuration" | "stored" }): "file" | "data" {
  return origin === "stored" ? "data" : "file";
}

function shownKey({ label, sha256, createdAt, expiresAt, lastUsedAt }: ListedKey): ShownKey {
  return {
    label,
    sha256,
    created_at: new Date(createdAt).toISOString(),
    expires_at: time(expiresAt),
    last_used_at: time(lastUsedAt),
  };
}

function shownAppPassword({ label, scopes, createdAt, lastUsedAt }: ListedAppPassword): ShownAppPassword {
  return { label, scopes, created_at: new Date(createdAt).toISOString(), last_used_at: time(lastUsedAt) };
}

function time(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
