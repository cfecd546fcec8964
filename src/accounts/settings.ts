/** The `[[domain]]`, `[[user]]` and `[[alias]]` sections of the configuration: whose mail is local, and where it goes. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { secret } from "../lib/setting-types.ts";

const address = () =>
  z
    .string('an address is text: "ann@example.org"')
    .refine((text) => parseMailbox(text) !== undefined, 'write an address: "ann@example.org"');

export const domainSettings = z
  .strictObject({
    name: z
      .string()
      .refine((text) => !text.startsWith("[") && domainKeyOf(text) !== undefined, "not a domain name")
      .describe("The domain, in A- or U-labels, without a final dot. Mail for it is local. Applies on reload."),
    catch_all: address()
      .optional()
      .describe(
        "Where mail for names goes that are no user and no alias; without it they get 550 5.1.1. Applies on reload.",
      ),
    recipients: z
      .enum(["known", "any"])
      .default("known")
      .describe(
        '"any" takes every name, for a domain whose users another server knows and to which a [[route]] leads. Applies on reload.',
      ),
  })
  .describe(
    "A domain whose mail is local. Postmaster exists at each of them: a user or alias of that name there or at the first domain, else catch_all, else the first user; mailer-daemon leads to it unless it is a user or alias. `<postmaster>` without a domain means the first domain.",
  );

export const userSettings = z
  .strictObject({
    address: address().describe(
      "The user's address and login. The local part is compared without case; `name+tag` is the same user. Applies on reload.",
    ),
    password: z
      .union([secret(), z.array(secret()).max(8)])
      .optional()
      .describe(
        "argon2id in PHC form, as `posthaste user hash` prints it, or a SCRAM verifier, or a list of them (one for each device). Without it nobody can log in. Applies on reload.",
      ),
  })
  .describe("A mailbox with a login.");

export const aliasSettings = z
  .strictObject({
    address: address().describe("The address that is accepted; its domain must be local. Applies on reload."),
    to: z
      .array(address())
      .min(1)
      .max(1000)
      .describe(
        "Where its mail goes: users, other aliases, or addresses elsewhere, for which [forwarding] applies. Applies on reload.",
      ),
  })
  .describe("An address that leads to others.");

export type DomainSettings = z.output<typeof domainSettings>;
export type UserSettings = z.output<typeof userSettings>;
export type AliasSettings = z.output<typeof aliasSettings>;

/** The three sections together, as `Accounts` takes them. */
export interface AccountSettings {
  readonly hostname: string;
  readonly domains: readonly DomainSettings[];
  readonly users: readonly UserSettings[];
  readonly aliases: readonly AliasSettings[];
  /** Takes reports about our domains; a mailbox that belongs to no user. */
  readonly reportAddress?: string | undefined;
  /** Daily reports come from it, so it takes mail: unless it is a mailbox, it leads to postmaster. */
  readonly reportSender?: string | undefined;
}
