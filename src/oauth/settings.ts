/** The `[oauth]` section of the configuration: who issues tokens that sign in here. */
import { z } from "zod";
import { domainKeyOf } from "../address/domain.ts";
import { authoritiesFile, duration, secret } from "../lib/setting-types.ts";
import { clientSettings } from "./client-settings.ts";
import { oauthUrl } from "./setting-types.ts";

/** RFC 8725 §3.1: asymmetric ones only, since a shared secret would let this server issue tokens. */
export const tokenAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

const defaultAlgorithms = [
  "RS256",
  "PS256",
  "ES256",
  "EdDSA",
] as const satisfies readonly (typeof tokenAlgorithms)[number][];

/** RFC 6749 §3.3: printable ASCII without space, quote and backslash. */
const scope = () =>
  z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/, "a scope is one word; list several as separate texts");

export const issuerSettings = z
  .strictObject({
    url: oauthUrl().describe(
      'The issuer, written exactly as in the `iss` claim of its tokens: "https://login.example.org/realms/mail". Applies on reload.',
    ),
    audience: z
      .array(z.string().min(1).max(1024))
      .min(1)
      .max(16)
      .optional()
      .describe(
        "A token must be meant for one of these (`aud` claim): usually the name under which this server is registered with the issuer. Required unless `introspection` is set. Applies on reload.",
      ),
    scopes: z
      .array(scope())
      .max(16)
      .default([])
      .describe("Scopes that a token must have, all of them (`scope` or `scp` claim). Applies on reload."),
    account_claim: z
      .string()
      .min(1)
      .max(256)
      .default("email")
      .describe(
        "The claim that has the address of the user. It must identify one person and must not be freely chosen by users. A token whose `email_verified` claim is false is refused if this is `email`. Applies on reload.",
      ),
    domains: z
      .array(z.string().refine((name) => domainKeyOf(name) !== undefined, "not a domain name"))
      .min(1)
      .max(1000)
      .optional()
      .describe(
        "The issuer's tokens sign in only users of these domains. Default: users of all domains. Set it if there are several issuers. Applies on reload.",
      ),
    algorithms: z
      .array(z.enum(tokenAlgorithms))
      .min(1)
      .max(tokenAlgorithms.length)
      .default([...defaultAlgorithms])
      .describe("Algorithms of signatures that are accepted. Applies on reload. (RFC 8725)"),
    clock_leeway: duration({ maxMs: 300_000 })
      .prefault("30s")
      .describe("How far the issuer's clock may differ from this server's. Applies on reload."),
    keys_url: oauthUrl()
      .optional()
      .describe(
        "Where the issuer publishes its keys (a JWK set). Default: the `jwks_uri` of its document at `/.well-known/openid-configuration`. Applies on reload.",
      ),
    introspection: z
      .strictObject({
        url: oauthUrl().describe("The issuer's introspection endpoint. (RFC 7662)"),
        client_id: z
          .string()
          .min(1)
          .max(255)
          .describe("The name under which this server is registered with the issuer."),
        client_secret: secret().describe("The secret of this registration, preferably as `{ file }` or `{ env }`."),
      })
      .optional()
      .describe(
        "Asks the issuer about each token instead of checking its signature: for tokens that are no JWT, or that must end at once when they are revoked. Applies on reload. (RFC 7662)",
      ),
    ca: authoritiesFile()
      .optional()
      .describe(
        "PEM file with certificates of authorities that are trusted for the issuer's servers in addition to the usual ones. A reload reads it again.",
      ),
  })
  .describe("An OAuth issuer whose access tokens sign users in by OAUTHBEARER and XOAUTH2. (RFC 7628, RFC 9068)");

export const oauthSettings = z
  .strictObject({
    issuer: z.array(issuerSettings).max(16).default([]),
    client: z.array(clientSettings).max(16).default([]),
  })
  .describe("OAuth: whose tokens sign users in, and by whose tokens this server logs in at relay hosts.");

export type IssuerSettings = z.output<typeof issuerSettings>;
