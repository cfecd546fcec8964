/** The `[[route]]` sections: where recipients' mail goes; the first match applies. */
import { z } from "zod";
import { authoritiesFile, filePath, secret } from "../lib/setting-types.ts";

export const routeSettings = z
  .strictObject({
    domain: z
      .string()
      .min(1)
      .max(320)
      .describe(
        'Domain of the recipient, or a pattern: "*.internal.test", "*". An address, "ann@example.org", matches only that recipient. Applies on reload, also to queued mail.',
      ),
    via: z
      .enum(["mx", "relay", "lmtp", "maildir", "capture", "discard"])
      .describe(
        "How the mail is delivered: mx looks up the MX hosts of the domain; relay and lmtp send it to `host`; maildir writes it into a mailbox; capture keeps it in the test inbox; discard deletes it. Applies on reload, also to queued mail.",
      ),
    host: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe(
        'For relay and lmtp: "relay.test:2525", "[2001:db8::1]:24", or "unix:/path" for lmtp. Default port 25 for relay, 24 for lmtp. Applies on reload.',
      ),
    path: filePath()
      .optional()
      .describe(
        "For maildir: the folder, in which `{user}`, `{domain}` and `{address}` are replaced by those of the recipient. Default: mail/{domain}/{user} in data_dir. Applies on reload.",
      ),
    auth: z
      .strictObject({
        username: z.string().min(1).max(255).describe("User name at the relay host."),
        password: secret().optional().describe("Password, preferably as `{ file }` or `{ env }`."),
        oauth: z
          .string()
          .max(32)
          .optional()
          .describe(
            "In place of a password: name of the [[oauth.client]] whose access tokens log in; see `posthaste route login`.",
          ),
      })
      .optional()
      .describe(
        "Login at the relay host by password or by OAuth, only over verified TLS, loopback or a unix socket. Applies on reload.",
      ),
    tls: z
      .enum(["none", "opportunistic", "required", "verified"])
      .optional()
      .describe(
        "TLS to the next hop; default: opportunistic, or verified if `auth` or `ca` is set. On port 465, TLS starts at once. Applies on reload.",
      ),
    ca: authoritiesFile()
      .optional()
      .describe(
        "For relay and lmtp: PEM file with certificates of authorities that are trusted for this host in addition to the usual ones. With it, TLS is verified by default. A reload reads it again.",
      ),
    convert: z
      .boolean()
      .optional()
      .describe(
        "Whether 8-bit content is converted to quoted-printable or base64 for a server that does not offer 8BITMIME, if that breaks no signature. With false, the message fails with 5.6.3 instead. Default: true. Applies on reload. (RFC 6152)",
      ),
  })
  .describe("A rule that decides where mail for some recipients goes.");

export type RouteSettings = z.output<typeof routeSettings>;
