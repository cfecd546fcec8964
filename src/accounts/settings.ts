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
      .describe(
        "The domain name, in A-labels or U-labels, without a final dot. Mail for it is local. Applies on reload.",
      ),
    catch_all: address()
      .optional()
      .describe(
        "The address that receives mail for names that are neither a user nor an alias. Without it, such mail is refused with 550 5.1.1. Applies on reload.",
      ),
    recipients: z
      .enum(["known", "any"])
      .default("known")
      .describe(
        '"known" refuses names that are neither a user nor an alias. "any" accepts every name, for a domain whose users only another server knows and whose mail a [[route]] sends there. Applies on reload.',
      ),
  })
  .describe(
    "A domain whose mail is local. Every domain has a postmaster: the user or alias of that name in this domain or in the first one, else catch_all, else the first user. Mail to mailer-daemon goes to the postmaster unless a user or alias has that name. `<postmaster>` without a domain means the first domain.",
  );

export const userSettings = z
  .strictObject({
    address: address().describe(
      "The user's address and login. Upper and lower case in the local part make no difference; `name+tag` is the same user. Applies on reload.",
    ),
    password: z
      .union([secret(), z.array(secret()).max(8)])
      .optional()
      .describe(
        "A hash that `posthaste user hash` prints (argon2id in PHC form), or a SCRAM verifier, or a list of them (one for each device). Without it, the user cannot log in. Applies on reload.",
      ),
  })
  .describe("A mailbox with a login.");

export const aliasSettings = z
  .strictObject({
    address: address().describe("The address of the alias; its domain must be local. Applies on reload."),
    to: z
      .array(address())
      .min(1)
      .max(1000)
      .describe(
        "The addresses that receive its mail: users, other aliases, or addresses in other domains, for which [forwarding] applies. Applies on reload.",
      ),
  })
  .describe("An address whose mail goes to other addresses.");

export type DomainSettings = z.output<typeof domainSettings>;
export type UserSettings = z.output<typeof userSettings>;
export type AliasSettings = z.output<typeof aliasSettings>;

/** The three sections together, as `Accounts` takes them. */
export interface AccountSettings {
  readonly hostname: string;
  readonly domains: readonly DomainSettings[];
  readonly users: readonly UserSettings[];
  readonly aliases: readonly AliasSettings[];
  /** Receives reports about our domains; it belongs to no user. */
  readonly reportAddress?: string | undefined;
  /** The sender of daily reports. Mail to it goes to postmaster unless it is a mailbox. */
  readonly reportSender?: string | undefined;
}
