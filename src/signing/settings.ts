/** The `[dkim]` section: whether mail of our own domains is signed, with what, and what DNS must say first. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { secret } from "../lib/setting-types.ts";
import { isSelector } from "./selector.ts";

export const dkimKeySettings = z
  .strictObject({
    domain: z
      .string('a domain is text: "example.org"')
      .refine((text) => !text.startsWith("[") && domainKeyOf(text) !== undefined, "not a domain name")
      .describe("The domain that signs (d=), in A- or U-labels. Applies on reload."),
    selector: z
      .string()
      .refine(isSelector, 'a selector is made of letters, digits and hyphens, with dots between: "mail2026"')
      .describe(
        "The name of the key within the domain (s=): its public half is published at `selector._domainkey.domain`. Applies on reload.",
      ),
    key: secret().describe(
      'The private key in PEM form, PKCS#8 or PKCS#1, RSA of 1024 to 4096 bits or Ed25519, as another mail server keeps it: `{ file = "…" }`. Applies on reload (RFC 8301 §3.2).',
    ),
  })
  .describe(
    "A key that is kept outside the data directory, for example one of an earlier mail server. Keys made by `posthaste dkim generate` need no entry here.",
  );

export const dkimSettings = z
  .strictObject({
    sign: z
      .boolean()
      .default(true)
      .describe(
        "Whether mail of domains that have keys is signed: submissions, mail of `relay.networks`, and reports of this server. Applies on reload (RFC 6376).",
      ),
    require_published: z
      .boolean()
      .default(true)
      .describe(
        "Sign only with keys that DNS shows to the world. A signature whose key nobody can find counts as broken; with false, keys sign at once and whatever DNS says. Applies on reload (RFC 6376 §6.1.2).",
      ),
    key: z.array(dkimKeySettings).max(10_000).default([]),
  })
  .describe("DKIM signatures of outgoing mail. See docs/dkim.md for the way from no key to signed mail.");

export type DkimSettings = z.output<typeof dkimSettings>;
export type DkimKeySettings = z.output<typeof dkimKeySettings>;
