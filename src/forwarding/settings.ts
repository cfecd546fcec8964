/** The `[forwarding]` section of the configuration: how mail leaves that local addresses forward to other domains. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { secret } from "../lib/setting-types.ts";

/** A path has at most 256 octets (RFC 5321 §4.5.3.1.3), and the local-part may take 64 of them. */
const domainLengthMax = 189;

const rewritingSecret = () => secret().min(16, "the secret is shorter than 16 characters");

export const forwardingSettings = z
  .strictObject({
    rewrite_sender: z
      .boolean()
      .default(true)
      .describe(
        "Whether the server replaces the reverse-path of forwarded mail with an address of its own (SRS), so that SPF passes at the next server and bounces come back here. The null reverse-path and reverse-paths in local domains stay as they are. Bounces to addresses that were rewritten earlier are accepted either way. Applies on reload.",
      ),
    domain: z
      .string()
      .refine(
        (text) => !text.startsWith("[") && (domainKeyOf(text)?.length ?? domainLengthMax + 1) <= domainLengthMax,
        `write a domain name of at most ${domainLengthMax} characters`,
      )
      .optional()
      .describe(
        "Domain of rewritten reverse-paths; default: hostname. Its MX record must name this server, and its SPF record must allow this server to send. A domain that you use for nothing else keeps the reputation of forwarded mail apart from that of your own mail. After a change, the server still accepts bounces to the old domain for as long as its mail comes here. Applies on reload.",
      ),
    seal: z
      .boolean()
      .default(true)
      .describe(
        "Whether forwarded mail gets an ARC set with the results of the checks on receipt (RFC 8617). This needs an RSA key for the domain of the forwarding address, for `domain`, or for hostname. Applies on reload.",
      ),
    secret: z
      .union([rewritingSecret(), z.array(rewritingSecret()).min(1).max(8)])
      .optional()
      .describe(
        "The secret that signs rewritten reverse-paths. In a list, the first one signs and all are accepted. You need it only if several servers share a domain; otherwise the server creates its own and replaces it every 30 days. Applies on reload.",
      ),
  })
  .describe(
    "Mail that aliases and catch-all addresses forward to other domains. Relayed and submitted mail is not forwarded mail.",
  );

export type ForwardingSettings = z.output<typeof forwardingSettings>;

/** The settings, with what else forwarding knows of the server. */
export interface ForwardingOptions extends ForwardingSettings {
  /** Of the server, in A-labels. */
  readonly hostname: string;
  /** What our Authentication-Results fields are signed with (RFC 8601 §2.5). */
  readonly authservId: string;
  /** Whether mail of this domain (its `domainKey`) is ours. */
  readonly isOwnDomain: (domainKey: string) => boolean;
}

/** Domain of rewritten reverse-paths, as a `domainKey`. */
export function rewritingDomain({ domain, hostname }: ForwardingOptions): string {
  const name = domain ?? hostname;
  return domainKeyOf(name) ?? asciiLowerCase(name);
}
