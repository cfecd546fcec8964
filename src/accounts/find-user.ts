/** How the commands about a user's keys, app passwords and grants find the user, in the configuration or among the stored. */
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import { AccountError } from "./account-error.ts";
import { AccountTable, type User } from "./account-table.ts";
import type { AccountSettings } from "./settings.ts";
import type { UserStore } from "./user-store.ts";

/** The key of the user with this address. Throws {@link AccountError} where it is none. */
export function userKeyOf(address: string): string {
  const mailbox = parseMailbox(address);
  if (mailbox === undefined) throw new AccountError("invalid-address", `${address} is not an address`);
  return mailboxKey(mailbox);
}

/** `key`: by {@link userKeyOf}. Undefined: nobody has it. */
export async function findUser(
  { settings, store }: { readonly settings: AccountSettings; readonly store: Pick<UserStore, "list"> },
  key: string,
): Promise<User | undefined> {
  return new AccountTable({ settings, users: await store.list() }).user(key);
}
