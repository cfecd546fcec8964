/** The `[authentication]` and `[dmarc]` sections: how senders of incoming mail are checked, and what happens then. */
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
        "Whether SPF, DKIM, ARC, DMARC and reverse DNS are checked for mail from strangers: clients of `mx` listeners that are neither logged in nor in relay.networks. With false, the server looks nothing up and writes no Authentication-Results field. Applies on reload.",
      ),
    authserv_id: z
      .string()
      .refine((text) => isAsciiDomain(text) && !text.startsWith("["), 'write a name in A-labels: "example.org"')
      .optional()
      .describe(
        "The name of this server in Authentication-Results fields (RFC 8601 §2.5); by default the hostname. Several servers of one organisation may share a name. The server removes fields that already carry this name from mail from strangers. Applies on reload.",
      ),
    spf_fail: z
      .enum(["mark", "reject"])
      .default("mark")
      .describe(
        "What the server does on the SPF result alone (RFC 7208 §8). mark: it only writes the field, and DMARC decides. reject: fail is refused with 550 5.7.23 and permerror with 550 5.7.24, and temperror is deferred with 451 4.4.3; this also refuses forwarded mail, whatever DKIM says. Mail with none, neutral and softfail is never refused. Applies on reload.",
      ),
    received_spf: z
      .boolean()
      .default(false)
      .describe(
        "Whether to write a Received-SPF field as well (RFC 7208 §9.1), for filters that cannot read Authentication-Results. Applies on reload.",
      ),
    trusted_sealers: z
      .array(domainName("lists.example.org"))
      .max(1000)
      .default([])
      .describe(
        "Domains whose ARC seals are trusted (d=, RFC 8617 §7.2): mail that fails DMARC is delivered if such a forwarder saw it pass. None by default. Applies on reload.",
      ),
    trusted_forwarders: networkList()
      .prefault([])
      .describe(
        "Networks of forwarders that you use, for example your old provider. Their mail is checked and marked, but neither SPF nor DMARC refuses it or moves it to Junk. Applies on reload.",
      ),
  })
  .describe("How senders of incoming mail are checked: SPF, DKIM, ARC and reverse DNS.");

const policyOverride = z.strictObject({
  domain: z
    .string()
    .refine((text) => text === "*" || isDomainName(text), 'write a domain, or "*" for every domain')
    .transform((text) => (text === "*" ? text : (domainKeyOf(text) ?? text)))
    .describe('Author domain, including its subdomains. "*" means every domain. The longest match applies.'),
  policy: z
    .enum(["published", "none", "quarantine", "reject"])
    .describe(
      'What the server does with mail from the domain that fails DMARC. "published" does what the domain asks for; "none" delivers it; "quarantine" moves it to Junk; "reject" refuses it, whatever `reject` says.',
    ),
});

export const dmarcSettings = z
  .strictObject({
    reject: z
      .enum(["never", "with-evidence", "always"])
      .default("never")
      .describe(
        "Whether mail that fails DMARC is refused (550 5.7.1) if the author's domain publishes p=reject. never: it goes to Junk, as RFC 9989 §5.4 asks of a receiver that has no other evidence. with-evidence: it is refused if there is other evidence against the client and nothing suggests a forwarder or a mailing list. always: it is refused, even from mailing lists. Applies on reload.",
      ),
    unreadable_author: z
      .enum(["deliver", "junk", "reject"])
      .default("junk")
      .describe(
        "What the server does with mail whose From field is missing, is unreadable or names several domains, so that DMARC cannot apply (RFC 9989 §5.3.1). reject answers 550 5.7.1. Applies on reload.",
      ),
    temporary_failure: z
      .enum(["defer", "deliver"])
      .default("defer")
      .describe(
        "What the server does if a temporary DNS failure hides whether mail passes, and the author's domain asks for more than p=none or its policy could not be looked up. defer answers 451 4.7.1, so that the client tries again; deliver accepts the mail. The server never refuses it permanently. Applies on reload.",
      ),
    override: z
      .array(policyOverride)
      .max(10_000)
      .default([])
      .describe("What the server does instead of what the author's domain asks for. Applies on reload."),
  })
  .describe("What the server does with mail that fails DMARC (RFC 9989).");

export type AuthenticationSettings = z.output<typeof authenticationSettings>;
export type DmarcSettings = z.output<typeof dmarcSettings>;

/** Plain values; a reload replaces them all. */
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
