/** The `[dkim]` section: whether mail from local domains is signed, with which keys, and what DNS must say first. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { secret } from "../lib/setting-types.ts";
import { isSelector } from "./selector.ts";

export const dkimKeySettings = z
  .strictObject({
    domain: z
      .string('a domain is text: "example.org"')
      .refine((text) => !text.startsWith("[") && domainKeyOf(text) !== undefined, "not a domain name")
      .describe("The domain that signs (d=), in A-labels or U-labels. Applies on reload."),
    selector: z
      .string()
      .refine(isSelector, 'a selector consists of letters, digits and hyphens, with dots between: "mail2026"')
      .describe(
        "The name of the key within the domain (s=); the public key is published at `selector._domainkey.domain`. Applies on reload.",
      ),
    key: secret().describe(
      'The private key in PEM form (PKCS#8 or PKCS#1), RSA with 1024 to 4096 bits or Ed25519, usually the file of another mail server: `{ file = "…" }`. Applies on reload (RFC 8301 §3.2).',
    ),
  })
  .describe(
    "A key that is kept outside the data directory, for example the key of an earlier mail server. Keys that `posthaste dkim generate` creates need no entry here.",
  );

export const dkimSettings = z
  .strictObject({
    sign: z
      .boolean()
      .default(true)
      .describe(
        "Whether mail from domains that have keys is signed: submissions, mail from `relay.networks`, and this server's reports. Applies on reload (RFC 6376).",
      ),
    require_published: z
      .boolean()
      .default(true)
      .describe(
        "Whether the server signs only with keys that are published in DNS. Receivers treat a signature without a published key as broken. With false, keys sign at once, whatever DNS says. Applies on reload (RFC 6376 §6.1.2).",
      ),
    key: z.array(dkimKeySettings).max(10_000).default([]),
  })
  .describe("DKIM signatures of outgoing mail. docs/dkim.md shows the steps from no key to signed mail.");

export type DkimSettings = z.output<typeof dkimSettings>;
export type DkimKeySettings = z.output<typeof dkimKeySettings>;
