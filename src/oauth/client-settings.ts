/** The `[[oauth.client]]` sections: this server as a client of a provider, to log in at relay hosts. */
import { z } from "zod";
import { authoritiesFile, secret } from "../lib/setting-types.ts";
import { oauthUrl } from "./setting-types.ts";

export const clientSettings = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'write up to 32 lower-case letters, digits, "-" and "_"')
      .describe('What routes call it: auth = { username = "news@example.org", oauth = "google" }. Applies on reload.'),
    client_id: z
      .string()
      .min(1)
      .max(512)
      .describe("The name under which this server is registered with the provider. Applies on reload."),
    client_secret: secret()
      .optional()
      .describe(
        "The secret of this registration, preferably as `{ file }` or `{ env }`. Without it, the server is a public client. Applies on reload.",
      ),
    scope: z
      .string()
      .min(1)
      .max(1024)
      .describe("What is asked for, words separated by spaces, as the provider documents it for SMTP."),
    token_url: oauthUrl().describe("The provider's token endpoint. Applies on reload. (RFC 6749)"),
    device_url: oauthUrl()
      .optional()
      .describe(
        "The provider's device authorization endpoint: `posthaste route login` shows a code to type in on any device. (RFC 8628)",
      ),
    authorization_url: oauthUrl()
      .optional()
      .describe(
        "The provider's authorization endpoint, for providers that do not give this scope to devices: `posthaste route login` shows an address to open, and asks for the address to which the browser was sent afterwards. (RFC 6749, RFC 7636)",
      ),
    ca: authoritiesFile()
      .optional()
      .describe(
        "PEM file with certificates of authorities that are trusted for the provider's servers in addition to the usual ones. A reload reads it again.",
      ),
  })
  .describe("A provider whose access tokens log this server in at relay hosts by XOAUTH2 and OAUTHBEARER.");

export type ClientSettings = z.output<typeof clientSettings>;
