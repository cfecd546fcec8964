/** The `[authentication]` and `[dmarc]` sections: what is checked of the senders of incoming mail, and what follows. */
import { z } from "zod";
import { domainKeyOf, isAsciiDomain } from "../../address/domain.ts";
import { networkList } from "../../lib/setting-types.ts";

const domainName = (example: string) =>
  z
    .string()
    .refine((text) => isDomainName(text), `write a domain: "${example}"`)
    .transform((text) => domainKeyOf(text) ?? text);

export const authenticationSettings = z
  .strictObject({
    check: z
      .boolean()
      .default(true)
      .describe(
        "Whether SPF, DKIM, ARC, DMARC and reverse DNS are evaluated for mail of strangers: clients of `mx` listeners that are neither logged in nor in relay.networks. Off, nothing is looked up, and no Authentication-Results field is written. Applies on reload.",
      ),
    authserv_id: z
      .string()
      .refine((text) => isAsciiDomain(text) && !text.startsWith("["), 'write a name in A-labels: "example.org"')
      .optional()
      .describe(
        "Name under which this server writes Authentication-Results (RFC 8601 §2.5); by default the hostname. Several servers of one organisation may share one. Fields that already bear it are removed from mail of strangers. Applies on reload.",
      ),
    spf_fail: z
      .enum(["mark", "reject"])
      .default("mark")
      .describe(
        "What follows from SPF alone (RFC 7208 §8). mark: nothing but the field, DMARC decides. reject: fail is refused with 550 5.7.23, permerror with 550 5.7.24, temperror is deferred with 451 4.4.3; this refuses forwarded mail too, whatever DKIM says. none, neutral and softfail never refuse. Applies on reload.",
      ),
    received_spf: z
      .boolean()
      .default(false)
      .describe(
        "Also write a Received-SPF field (RFC 7208 §9.1), for filters that read nothing newer. Applies on reload.",
      ),
    trusted_sealers: z
      .array(domainName("lists.example.org"))
      .max(1000)
      .default([])
      .describe(
        "Domains whose ARC seals are believed (d=, RFC 8617 §7.2): mail that fails DMARC is delivered when such a forwarder found it good. Nobody by default. Applies on reload.",
      ),
    trusted_forwarders: networkList()
      .prefault([])
      .describe(
        "Networks of forwarders that you use, such as your old provider's: their mail is checked and marked, and neither SPF nor DMARC refuses it or moves it to Junk. Applies on reload.",
      ),
  })
  .describe("How senders of incoming mail are checked: SPF, DKIM, ARC and reverse DNS.");

const policyOverride = z.strictObject({
  domain: z
    .string()
    .refine((text) => text === "*" || isDomainName(text), 'write a domain, or "*" for every domain')
    .transform((text) => (text === "*" ? text : (domainKeyOf(text) ?? text)))
    .describe('Author domain, including its subdomains. "*" is every domain. The longest match counts.'),
  policy: z
    .enum(["published", "none", "quarantine", "reject"])
    .describe(
      'What is done with mail of the domain that fails DMARC. "published" is what the domain asks for; "none" delivers; "quarantine" goes to Junk; "reject" refuses, whatever `reject` says.',
    ),
});

export const dmarcSettings = z
  .strictObject({
    reject: z
      .enum(["never", "with-evidence", "always"])
      .default("never")
      .describe(
        "Whether mail that fails DMARC is refused (550 5.7.1) when the author's domain publishes p=reject. never: it goes to Junk, as RFC 9989 §5.4 asks of a receiver that knows nothing more. with-evidence: refused when something speaks against the client and nothing suggests a forwarder or a mailing list. always: refused, mailing lists included. Applies on reload.",
      ),
    unreadable_author: z
      .enum(["deliver", "junk", "reject"])
      .default("junk")
      .describe(
        "Mail whose From field is missing, unreadable or names several domains: DMARC says nothing of it (RFC 9989 §5.3.1). reject answers 550 5.7.1. Applies on reload.",
      ),
    temporary_failure: z
      .enum(["defer", "deliver"])
      .default("defer")
      .describe(
        "When DNS trouble hides whether mail passes, and its author's domain asks for more than p=none or could not be asked: defer answers 451 4.7.1, so that the client tries again; deliver takes it as it is. It is never permanently refused. Applies on reload.",
      ),
    override: z
      .array(policyOverride)
      .max(10_000)
      .default([])
      .describe("What is done instead of what the author's domain asks for. Applies on reload."),
  })
  .describe("What is done with mail that fails DMARC (RFC 9989).");

export type AuthenticationSettings = z.output<typeof authenticationSettings>;
export type DmarcSettings = z.output<typeof dmarcSettings>;

/** Plain values; a reload replaces the whole. */
export interface SenderAuthenticationSettings {
  readonly hostname: string;
  readonly authentication: AuthenticationSettings;
  readonly dmarc: DmarcSettings;
}

/** The name in our Authentication-Results fields. */
export function authservIdOf({ hostname, authentication }: SenderAuthenticationSettings): string {
  return authentication.authserv_id ?? hostname;
}

function isDomainName(text: string): boolean {
  return !text.startsWith("[") && domainKeyOf(text) !== undefined;
}
