/** The `[[route]]` sections: where recipients' mail goes, first match wins. */
import { z } from "zod";
import { authoritiesFile, filePath, secret } from "../lib/setting-types.ts";

export const routeSettings = z
  .strictObject({
    domain: z
      .string()
      .min(1)
      .max(320)
      .describe(
        'Domain of the recipient, or a pattern: "*.internal.test", "*". An address, "ann@example.org", matches that recipient alone. Applies on reload, also to queued mail.',
      ),
    via: z
      .enum(["mx", "relay", "lmtp", "maildir", "capture", "discard"])
      .describe("How the mail goes on. Applies on reload, also to queued mail."),
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
        "For maildir: the folder; `{user}`, `{domain}` and `{address}` stand for the recipient's. Default mail/{domain}/{user} in data_dir. Applies on reload.",
      ),
    auth: z
      .strictObject({
        username: z.string().min(1).max(255).describe("Login at the relay host."),
        password: secret().describe("Password, better as `{ file }` or `{ env }`."),
      })
      .optional()
      .describe("Login at the relay host, only over verified TLS, loopback or a unix socket. Applies on reload."),
    tls: z
      .enum(["none", "opportunistic", "required", "verified"])
      .optional()
      .describe(
        "TLS towards the next hop; default opportunistic, with auth or ca verified. Port 465 begins with TLS. Applies on reload.",
      ),
    ca: authoritiesFile()
      .optional()
      .describe(
        "For relay and lmtp: PEM file with the certificates of authorities that are trusted for this host, besides the usual ones; TLS is then verified by default. Read again on reload.",
      ),
    convert: z
      .boolean()
      .optional()
      .describe(
        "Whether 8-bit content is converted to quoted-printable or base64 where the server does not offer 8BITMIME and no signature breaks; false reports it with 5.6.3 instead. Default true. Applies on reload. (RFC 6152)",
      ),
  })
  .describe("A rule for where mail of some recipients goes.");

export type RouteSettings = z.output<typeof routeSettings>;
