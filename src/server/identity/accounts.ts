/** The domains, users and aliases of the configuration, with the users that `posthaste user` made. */
import { Accounts } from "../../accounts/accounts.ts";
import type { SignInLimits } from "../../accounts/sign-in-limits.ts";
import type { UserStore } from "../../accounts/user-store.ts";
import { accountSettings } from "../../config/settings-views.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { IssuerTokens } from "../../oauth/issuer-tokens.ts";
import type { Opening } from "../plan/part.ts";
import { PasswordSources } from "./password-sources.ts";

export async function openAccounts(
  { settings, ports, parts }: Opening,
  store: UserStore,
  signInLimits: SignInLimits,
): Promise<Accounts> {
  const { crypto, clock, random, log, serviceClient: http } = ports;
  const issuers = ({ oauth }: Settings) => oauth.issuer;
  const tokens = new IssuerTokens({ http, clock }, issuers(settings));
  const view = (all: Settings) => ({
    accounts: { ...accountSettings(all), ...(ports.passwordSource !== undefined && { outsideUsers: true as const }) },
    dovecot: all.sign_in.dovecot,
  });
  const first = view(settings);
  const sources = new PasswordSources(ports, first.dovecot);
  const accounts = await Accounts.open({
    ...{ settings: first.accounts, store, crypto, clock, random, signInLimits, tokens },
    passwordSources: () => sources.inForce,
  });
  parts.add({ name: "oauth", view: issuers, prepare: (next) => () => tokens.reconfigure(next) });
  const tellProblems = () => {
    for (const { section, index, message: problem } of accounts.problems) {
      log.event("account-problem", { key: `${section}[${index}]`, problem });
    }
  };
  tellProblems();
  parts.add({
    name: "accounts",
    view,
    prepare: async (next) => {
      const apply = await accounts.prepare(next.accounts);
      return () => {
        apply();
        sources.reconfigure(next.dovecot);
        tellProblems();
      };
    },
    stop: () => sources.close(),
  });
  return accounts;
}
