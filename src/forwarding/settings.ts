/** The `[forwarding]` section of the configuration: how mail leaves that our addresses lead to other domains. */
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
        "Whether the reverse-path of forwarded mail becomes an address of this server (SRS), so that SPF passes at the next server and bounces come back through us. The null reverse-path and those of our own domains stay. Addresses made before are honoured either way. Applies on reload.",
      ),
    domain: z
      .string()
      .refine(
        (text) => !text.startsWith("[") && (domainKeyOf(text)?.length ?? domainLengthMax + 1) <= domainLengthMax,
        `write a domain name of at most ${domainLengthMax} characters`,
      )
      .optional()
      .describe(
        "Domain of rewritten reverse-paths; default: hostname. Its mail must come to this server, and its SPF record must allow this server to send. One that is used for nothing else keeps what is forwarded apart from your own mail. After a change, bounces to the former domain are still taken as long as its mail comes here. Applies on reload.",
      ),
    seal: z
      .boolean()
      .default(true)
      .describe(
        "Whether forwarded mail gets an ARC set with what was found on receipt (RFC 8617), if there is an RSA key for the domain of the address, for `domain`, or for hostname. Applies on reload.",
      ),
    secret: z
      .union([rewritingSecret(), z.array(rewritingSecret()).min(1).max(8)])
      .optional()
      .describe(
        "Signs rewritten reverse-paths: of a list the first one signs and all are honoured. Needed only where several servers share a domain; otherwise the server makes its own and a new one every 30 days. Applies on reload.",
      ),
  })
  .describe(
    "Mail that aliases and catch-alls lead to other domains. Relayed and submitted mail is not forwarded mail.",
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
