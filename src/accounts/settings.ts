/** The `[[domain]]`, `[[user]]` and `[[alias]]` sections of the configuration: whose mail is local, and where it goes. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { filePath, secret } from "../lib/setting-types.ts";
import { grantKey, grantsOfUserMax } from "./sender-grants.ts";

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
      .enum(["known", "any", "none"])
      .default("known")
      .describe(
        '"known" refuses names that are neither a user nor an alias. "any" accepts every name, for a domain whose users only another server knows and whose mail a [[route]] sends there. "none" refuses every name, postmaster included, with 556 5.1.10, for a domain that receives no mail; publish a null MX for it (RFC 7504, RFC 7505). Applies on reload.',
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
        "A hash that `posthaste user hash` prints (argon2id in PHC form), a SCRAM verifier that `posthaste user hash --scram` prints, or a list of them. For one password that works with all mechanisms, list both. Without it, the user cannot log in by password. Applies on reload.",
      ),
    send_as: z
      .array(
        z
          .string('a sender is text: "support@example.org" or "*@example.org"')
          .refine(
            (text) => grantKey(text) !== undefined,
            'write an address, or every address of a domain: "*@example.org"',
          ),
      )
      .max(grantsOfUserMax)
      .optional()
      .describe(
        "Addresses that the user may send as, besides the user's own and the aliases that lead to it. `*@example.org` stands for every address in that domain. `posthaste user grant` adds others without a change of the file. Applies on reload.",
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

/** All that this server knows. SCRAM-SHA-1 is for clients that know no better, and off by default (RFC 7677 §1). */
const mechanismNames = [
  "EXTERNAL",
  "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-256",
  "SCRAM-SHA-1-PLUS",
  "SCRAM-SHA-1",
  "OAUTHBEARER",
  "XOAUTH2",
  "PLAIN",
  "LOGIN",
] as const;

export const defaultMechanisms = [
  "EXTERNAL",
  "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-256",
  "OAUTHBEARER",
  "XOAUTH2",
  "PLAIN",
  "LOGIN",
] as const;

export const signInSettings = z
  .strictObject({
    mechanisms: z
      .array(z.enum(mechanismNames))
      .max(mechanismNames.length)
      .default([...defaultMechanisms])
      .describe(
        "The SASL mechanisms that clients may use; the server offers those that can succeed on a connection. Passwords made while a SCRAM mechanism is listed get a SCRAM verifier in addition to the argon2id hash; leave SCRAM out to keep only argon2id hashes. SCRAM is offered once every user with a password has a verifier, OAUTHBEARER and XOAUTH2 once there is an issuer (`oauth.issuer`). Applies on reload. (RFC 4954, RFC 5802, RFC 7677, RFC 7628)",
      ),
    dovecot: filePath()
      .optional()
      .describe(
        "Dovecot's client socket, usually /run/dovecot/auth-client or /var/spool/postfix/private/auth. Passwords that belong to no user here are checked by Dovecot, with its PLAIN mechanism; clients may then use PLAIN and LOGIN, but not SCRAM. If Dovecot does not answer, the client gets 454 4.7.0. Applies on reload.",
      ),
  })
  .describe("How users sign in.");

export type DomainSettings = z.output<typeof domainSettings>;
export type UserSettings = z.output<typeof userSettings>;
export type AliasSettings = z.output<typeof aliasSettings>;

/** The three sections together, as `Accounts` takes them. */
export interface AccountSettings {
  readonly hostname: string;
  readonly domains: readonly DomainSettings[];
  readonly users: readonly UserSettings[];
  readonly aliases: readonly AliasSettings[];
  /** Names in upper case; absent: the default. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Somebody else knows users that are declared nowhere here. */
  readonly outsideUsers?: true;
  /** Receives reports about our domains; it belongs to no user. */
  readonly reportAddress?: string | undefined;
  /** The sender of daily reports. Mail to it goes to postmaster unless it is a mailbox. */
  readonly reportSender?: string | undefined;
}

/** Digests for which a new password gets a SCRAM verifier. */
export function scramDigestsOf({
  mechanisms = defaultMechanisms,
}: Pick<AccountSettings, "mechanisms">): readonly ("sha1" | "sha256")[] {
  const has = (name: string) => mechanisms.some((mechanism) => mechanism.startsWith(name));
  return [...(has("SCRAM-SHA-256") ? (["sha256"] as const) : []), ...(has("SCRAM-SHA-1") ? (["sha1"] as const) : [])];
}
