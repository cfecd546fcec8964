/** What happens between the server and the authority that issues its certificate by ACME. */
import { problem } from "./common-fields.ts";
import { declare, number, optional, text, time } from "./event-declaration.ts";

export const acmeEvents = {
  "acme-account": declare(
    "info",
    "The server has an account at the authority of `[tls.acme]`.",
    "The server orders the certificate.",
    { directory: text("The URL of the authority's directory."), url: text("The URL of the account.") },
  ),
  "acme-certificate": declare(
    "info",
    "The authority issued a certificate.",
    "New handshakes use it. If the key is `new` or `rolled over` and you publish TLSA records, publish the record of this key and remove that of the old one.",
    {
      names: text("The names that it is for."),
      valid_to: time("When it expires."),
      renew_at: time("When it is renewed, unless the authority suggests another time."),
      key: text("`new`, `kept` (its TLSA record is published, or DNS did not say), or `rolled over`."),
      tlsa: text("The TLSA record of the key."),
    },
  ),
  "acme-failed": declare(
    "error",
    "The server could not get or renew the certificate; `problem` has the authority's own words.",
    "The certificate in use stays. The server tries again at `retry_at`, or at once after `posthaste acme retry`.",
    {
      problem,
      retry_at: optional(time("When it tries again.")),
      attempts: number("Failures since the last success."),
    },
  ),
};
