/** Tokens that clients show, and what an issuer that has gone wrong answers. */
import assert from "node:assert/strict";
import type { z } from "zod";
import { IssuerTokens } from "../../../src/oauth/issuer-tokens.ts";
import { issuerSettings } from "../../../src/oauth/settings.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const url = "https://a.test";
/** Whose private half nobody has any more: it signed the two tokens below. */
const key = { crv: "Ed25519", x: "hHPCLyVlOMGfLD8sRyAaEEQiCsOMU2RNahq4V8pKHcI", kty: "OKP" };
const claims =
  "eyJpc3MiOiJodHRwczovL2EudGVzdCIsImF1ZCI6Im1haWwiLCJlbWFpbCI6ImFubkBhLnRlc3QiLCJzY29wZSI6InNtdHAiLCJpYXQiOjEsImV4cCI6NDEwMjQ0NDgwMH0";
const named = `eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.${claims}`;
const unnamed = `eyJhbGciOiJFZERTQSJ9.${claims}`;
const tokens = [
  `${named}.H8xwQLjopZst-3yvkadExj-mUxYB4tT7iIlw7VnrkcbkiOeArfT3X7b_RXcqRYD83ww-xgKhslWDPDhneB30DA`,
  `${unnamed}.KxJlpX4iWSK0plR1vXOn6ZE7bDXdl5Dgu_qULIHQJpRRc1535LzIhwzwEje7ZupTtQA1OWKNmlVwU_MDjBXnBA`,
] as const;
const base64url = (text: string) => Buffer.from(text).toString("base64url");
const clock = new ManualClock();
const introspection = { url: `${url}/introspect`, client_id: "mail", client_secret: "secret" };

/** `answer`: to each request, whatever it is. */
function checkOf(answer: Buffer, settings: Partial<z.input<typeof issuerSettings>>): IssuerTokens {
  const http = { request: () => Promise.resolve({ kind: "response", status: 200, body: answer } as const) };
  return new IssuerTokens({ http, clock }, [issuerSettings.parse({ url, keys_url: `${url}/keys`, ...settings })]);
}

const published = checkOf(Buffer.from(JSON.stringify({ keys: [{ ...key, kid: "k" }, key] })), { audience: ["mail"] });

const token: FuzzTarget = {
  name: "oauth-token",
  family: "sign-in",
  seeds: () =>
    texts(
      ...tokens,
      `${base64url('{"alg":"none"}')}.${claims}.`,
      `${base64url('{"alg":"HS256","kid":"k"}')}.${claims}.AAAA`,
      `${base64url('{"alg":"EdDSA","crit":["b64"],"b64":false}')}.${claims}.AAAA`,
      `${base64url('{"alg":"EdDSA","jwk":{"kty":"OKP"},"x5u":"https://b.test"}')}.${claims}.AAAA`,
    ),
  words: [".", "..", "eyJ", "fQ", base64url('{"alg":"none"}'), base64url('{"iss":"https://a.test"}'), "=", "-_", "A"],
  bytesMax: 2048,
  stretchMax: 9216,
  async run(input) {
    const text = input.toString("latin1");
    const result = await published.check(text);
    if (result.kind !== "valid") return;
    // Only what was signed is believed; the last character of a signature has bits that nobody reads.
    assert.ok(tokens.some((signed) => signed.startsWith(text.slice(0, text.lastIndexOf(".") + 1))));
    assert.equal(result.username, "ann@a.test");
  },
};

const claimsOfIssuer: FuzzTarget = {
  name: "oauth-introspection",
  family: "sign-in",
  seeds: () =>
    texts(
      '{"active":true,"scope":"smtp more","email":"ann@a.test","aud":"mail","exp":4102444800,"iss":"https://a.test"}',
      '{"active":true,"scp":["smtp"],"email":"ann@a.test","aud":["mail"],"email_verified":false,"nbf":1}',
      '{"active":false}',
      "[]",
    ),
  words: [
    '"active":true',
    '"scope":',
    '"scp":',
    '"email":',
    '"aud":',
    "null",
    "[]",
    "{}",
    "1e999",
    '"__proto__":',
    ",",
  ],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  async run(input) {
    const terms = { introspection, audience: ["mail"], scopes: ["smtp"], domains: ["a.test"] };
    const result = await checkOf(input, terms).check("opaque");
    if (result.kind !== "valid") return;
    const told = JSON.parse(input.toString("utf8")) as Record<string, unknown>;
    assert.equal(told["active"], true);
    assert.equal(result.username, told["email"]);
    assert.ok(result.username.toLowerCase().endsWith("a.test") && told["email_verified"] !== false);
  },
};

const keys: FuzzTarget = {
  name: "oauth-keys",
  family: "sign-in",
  seeds: () =>
    texts(
      JSON.stringify({ keys: [{ ...key, kid: "k", use: "sig", alg: "EdDSA" }] }),
      '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k"},{"kty":"oct","k":"AAAA"},null]}',
      '{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}',
      '{"keys":{}}',
    ),
  words: ['"keys":[', '"kty":"OKP"', '"kid":"k"', '"crv":', '"alg":"ES256"', '"use":"enc"', "null", "{}", "[]", ","],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  async run(input) {
    const check = checkOf(input, { audience: ["mail"] });
    for (const text of tokens) {
      const result = await check.check(text);
      if (result.kind !== "valid") continue;
      // The key is the one that signed, however it is spelled; base64 is read with what does not belong there.
      const { keys: found } = JSON.parse(input.toString("utf8")) as {
        readonly keys: readonly { readonly x?: unknown }[];
      };
      const octets = (x: unknown) => Buffer.from(typeof x === "string" ? x : "", "base64").toString("hex");
      assert.ok(found.some((one) => one !== null && octets(one.x) === octets(key.x)));
    }
  },
};

export const oauthTargets: readonly FuzzTarget[] = [token, claimsOfIssuer, keys];
