/** What is wrong with domains, users and aliases taken together, though each of them is correct when read alone. */
import type { Resolution } from "./account-directory.ts";
import type { AccountSettings } from "./settings.ts";

/** One such fault, and the section that it is in. */
export interface AccountProblem {
  readonly section: "domain" | "user" | "alias" | "stored-user";
  /** Position within its section. */
  readonly index: number;
  readonly message: string;
  /** A user that `posthaste user` made, or has yet to make, would mend it: who knows only the file says nothing. */
  readonly mayBeStored?: true;
}

/** Aliases and catch-alls whose addresses do not exist here, reach no mailbox, expand to themselves, or to too many addresses. */
export function misleadingAliases(
  { aliases, domains }: AccountSettings,
  resolve: (address: string) => Resolution,
): readonly AccountProblem[] {
  const problems: AccountProblem[] = [];
  const inspect = (section: "alias" | "domain", index: number, addresses: readonly string[]): void => {
    for (const address of addresses) {
      const found = resolve(address);
      if (found.kind === "unknown" || (found.kind === "broken" && found.reason === "alias-without-target")) {
        const message = found.kind === "unknown" ? `${address} does not exist here` : `${address} reaches no mailbox`;
        problems.push({ section, index, message, mayBeStored: true });
      } else if (found.kind === "broken") {
        const message =
          found.reason === "alias-loop" ? `${address} expands to itself` : `${address} expands to too many addresses`;
        problems.push({ section, index, message });
      }
    }
  };
  for (const [index, { to }] of aliases.entries()) inspect("alias", index, to);
  for (const [index, { catch_all: to }] of domains.entries()) if (to !== undefined) inspect("domain", index, [to]);
  return problems;
}
