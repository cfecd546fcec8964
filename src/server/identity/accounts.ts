/** The domains, users and aliases of the configuration, with the users that `posthaste user` made. */
import { Accounts } from "../../accounts/accounts.ts";
import type { SignInLimits } from "../../accounts/sign-in-limits.ts";
import type { UserStore } from "../../accounts/user-store.ts";
import { accountSettings } from "../../config/settings-views.ts";
import type { Opening } from "../plan/part.ts";

export async function openAccounts(
  { settings, ports, parts }: Opening,
  store: UserStore,
  signInLimits: SignInLimits,
): Promise<Accounts> {
  const { crypto, clock, random, log } = ports;
  const accounts = await Accounts.open({
    settings: accountSettings(settings),
    ...{ store, crypto, clock, random, signInLimits },
  });
  const tellProblems = () => {
    for (const { section, index, message: problem } of accounts.problems) {
      log.event("account-problem", { key: `${section}[${index}]`, problem });
    }
  };
  tellProblems();
  parts.add({
    name: "accounts",
    view: accountSettings,
    prepare: async (next) => {
      const apply = await accounts.prepare(next);
      return () => {
        apply();
        tellProblems();
      };
    },
  });
  return accounts;
}
