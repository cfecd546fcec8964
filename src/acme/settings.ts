/** The `[tls.acme]` section: certificates from an authority that speaks ACME. */
import { z } from "zod";
import { isAsciiDomain } from "../address/domain.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { authoritiesFile, listenAddress, secret } from "../lib/setting-types.ts";

const httpsUrl = z.string().max(2048).refine(isHttps, 'write a URL: "https://acme-v02.api.letsencrypt.org/directory"');

export const acmeSettings = z
  .strictObject({
    email: z
      .email("write an e-mail address")
      .describe("The address at which the authority may reach you. Applies to new accounts."),
    directory: httpsUrl.describe(
      "URL of the authority's directory. Let's Encrypt: https://acme-v02.api.letsencrypt.org/directory; to try things out, https://acme-staging-v02.api.letsencrypt.org/directory. Applies on reload (RFC 8555 §7.1.1).",
    ),
    agree: z
      .literal(true, "write agree = true once you have read the terms of service of the authority")
      .describe("That you agree to the terms of service of the authority."),
    names: z
      .array(
        z
          .string()
          .refine(
            (text) => isAsciiDomain(text.replace(/^\*\./, "")) && !text.startsWith("["),
            'write a name in A-labels, "smtp.example.org" or "*.example.org"',
          ),
      )
      .max(99)
      .default([])
      .describe(
        "Further names in the certificate; hostname is always in it. A wildcard needs dns-01. Applies on reload.",
      ),
    challenge: z
      .enum(["http-01", "tls-alpn-01", "dns-01"])
      .default("http-01")
      .describe(
        "How the authority sees that the names are yours: it connects to port 80 (`http-01`) or 443 (`tls-alpn-01`) of this machine, or looks up TXT records that `hook` publishes (`dns-01`). Applies on reload (RFC 8555 §8, RFC 8737).",
      ),
    listen: listenAddress()
      .optional()
      .describe(
        "For http-01 and tls-alpn-01: where the server listens while the authority looks. Default: [::]:80 or [::]:443. Behind a proxy, name the address that it passes requests to. Applies on reload.",
      ),
    hook: z
      .array(z.string().min(1))
      .min(1)
      .max(32)
      .optional()
      .describe(
        "For dns-01: a program and its arguments. The server appends `add` or `remove`, the name and the value of the TXT record. The program exits with 0 once all DNS servers of the domain have the record. Applies on reload.",
      ),
    external_account: z
      .strictObject({
        kid: z.string().min(1).max(1024).describe("The identifier of the account."),
        key: secret().describe("The MAC key of the account, in base64url."),
      })
      .optional()
      .describe(
        "The account at the authority that ours belongs to, if the authority demands one. Applies to new accounts (RFC 8555 §7.3.4).",
      ),
    ca: authoritiesFile()
      .optional()
      .describe(
        "PEM file with certificates of authorities that are trusted for the connection to the ACME server in addition to the usual ones. Applies on reload.",
      ),
  })
  .describe(
    "Certificates by ACME (RFC 8555): the server gets and renews the certificate for hostname automatically. docs/certificates.md",
  );

export type AcmeSettings = z.output<typeof acmeSettings>;

/** What the service works with. */
export interface AcmeTerms {
  readonly settings: AcmeSettings;
  readonly hostname: string;
}

/** In the order in which the certificate has them. */
export function namesWanted({ settings, hostname }: AcmeTerms): readonly string[] {
  return [...new Set([hostname, ...settings.names])];
}

export function challengeAddress({ listen, challenge }: AcmeSettings): Endpoint {
  return listen ?? { kind: "ip", address: "::", port: challenge === "http-01" ? 80 : 443 };
}

function isHttps(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === "https:";
}
