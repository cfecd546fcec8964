/** Tokens of a real issuer: what is accepted, what is not, and what happens while the issuer rolls keys or is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SignJWT, UnsecuredJWT } from "jose";
import type { z } from "zod";
import { ManualClock } from "../testing/manual-clock.ts";
import { issuerUrl, TestIssuer } from "../testing/test-issuer.ts";
import { IssuerTokens } from "./issuer-tokens.ts";
import { issuerSettings } from "./settings.ts";

type Input = z.input<typeof issuerSettings>;

async function open(settings: Partial<Input> = {}, algorithm = "ES256") {
  const clock = new ManualClock();
  const issuer = await TestIssuer.open(clock, { algorithm });
  const parsed = issuerSettings.parse({ url: issuerUrl, audience: ["mail"], ...settings });
  return { clock, issuer, tokens: new IssuerTokens({ http: issuer, clock }, [parsed]) };
}

/** The name, or why not. */
async function checked(tokens: IssuerTokens, token: string): Promise<string> {
  const result = await tokens.check(token);
  return result.kind === "valid" ? result.username : `${result.kind}: ${result.reason}`;
}

const now = (clock: ManualClock) => Math.floor(clock.now() / 1000);
const keyFetches = ({ asked }: TestIssuer) => asked.filter((line) => line.endsWith("/keys")).length;

test("tokens of each default algorithm are accepted, and the keys are fetched once", async () => {
  for (const algorithm of ["RS256", "PS256", "ES256", "EdDSA"]) {
    const { issuer, tokens } = await open({}, algorithm);
    for (let i = 0; i < 3; i++) assert.equal(await checked(tokens, await issuer.token()), "ann@example.org", algorithm);
    assert.deepEqual(issuer.asked, ["GET /realms/mail/.well-known/openid-configuration", "GET /realms/mail/keys"]);
  }
});

test("each claim counts: issuer, audience, time, scope, account", async () => {
  const { clock, issuer, tokens } = await open({ scopes: ["smtp", "offline"], domains: ["example.org"] });
  const good = { scope: "openid smtp offline" };
  const at = (seconds: number) => now(clock) + seconds;
  const cases: readonly (readonly [claims: Record<string, unknown>, result: RegExp])[] = [
    [{}, /^ann@example\.org$/],
    [{ aud: ["other", "mail"] }, /^ann@/],
    [{ scope: undefined, scp: ["smtp", "offline"] }, /^ann@/],
    [{ scope: undefined, scp: "smtp offline" }, /^ann@/],
    [{ exp: at(-29) }, /^ann@/],
    [{ exp: at(-30) }, /^invalid: .*exp/],
    [{ exp: undefined }, /^invalid: .*exp/],
    [{ nbf: at(30) }, /^ann@/],
    [{ nbf: at(31) }, /^invalid: .*nbf/],
    [{ aud: "other" }, /^invalid: .*aud/],
    [{ aud: undefined }, /^invalid: .*aud/],
    [{ iss: "https://login.example.net/realms/other" }, /^invalid: its issuer is not one of \[oauth\]/],
    [{ iss: undefined }, /^invalid: its issuer/],
    [{ scope: "smtp" }, /^invalid: it lacks the scope offline/],
    [{ scope: "xsmtp offlineX" }, /^invalid: it lacks the scope smtp/],
    [{ email: undefined }, /^invalid: it has no claim "email"/],
    [{ email: ["ann@example.org"] }, /^invalid: it has no claim "email"/],
    [{ email_verified: false }, /^invalid: its address is not verified/],
    [{ email_verified: true }, /^ann@/],
    [{ email: "ann@example.com" }, /^invalid: its issuer has no say about ann@example\.com/],
    [{ email: "ann@EXAMPLE.org" }, /^ann@EXAMPLE\.org$/],
  ];
  for (const [claims, expected] of cases) {
    assert.match(await checked(tokens, await issuer.token({ ...good, ...claims })), expected, JSON.stringify(claims));
  }
});

test("another claim can name the account", async () => {
  const { issuer, tokens } = await open({ account_claim: "upn" });
  assert.equal(await checked(tokens, await issuer.token({ upn: "bob@example.org" })), "bob@example.org");
  assert.match(await checked(tokens, await issuer.token()), /^invalid: it has no claim "upn"/);
});

test("a signature is needed, of an allowed algorithm, by a key of this issuer", async () => {
  const { clock, issuer, tokens } = await open({ algorithms: ["ES256"] });
  const claims = { iss: issuerUrl, aud: "mail", email: "ann@example.org", exp: now(clock) + 60 };
  const rejected = async (token: string, why: RegExp) => assert.match(await checked(tokens, token), why);
  await rejected(new UnsecuredJWT(claims).encode(), /^invalid: /);
  // The public key taken for a shared secret: the oldest trick there is (RFC 8725 §2.1).
  const asSecret = new TextEncoder().encode(JSON.stringify(issuer.publishedKeys[0]));
  const forged = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "key-1" }).sign(asSecret);
  await rejected(forged, /^invalid: .*alg/);
  const stranger = await TestIssuer.open(clock);
  await rejected(await stranger.token(), /^invalid: signature verification failed/);
  const [header = "", , signature = ""] = (await issuer.token()).split(".");
  const changed = Buffer.from(JSON.stringify({ ...claims, email: "bob@example.org" })).toString("base64url");
  await rejected(`${header}.${changed}.${signature}`, /^invalid: signature verification failed/);
  await issuer.addKey("RS256");
  await clock.advance(60_000);
  await rejected(await issuer.token(), /^invalid: .*alg/);
  for (const text of ["", "x", "a.b.c", "..", `${header}..${signature}`]) await rejected(text, /^invalid: /);
});

test("a rolled key is fetched at once, and an unknown one costs two fetches a minute however often it comes", async () => {
  const { clock, issuer, tokens } = await open();
  const old = await issuer.token();
  assert.equal(await checked(tokens, old), "ann@example.org");
  await clock.advance(31_000);
  await issuer.addKey();
  assert.equal(await checked(tokens, await issuer.token()), "ann@example.org");
  assert.equal(await checked(tokens, old), "ann@example.org");
  assert.equal(keyFetches(issuer), 2);
  const unknown = await issuer.token({}, { kid: "made-up" });
  await clock.advance(31_000);
  for (let i = 0; i < 100; i++) assert.match(await checked(tokens, unknown), /^invalid: .*does not publish/);
  assert.equal(keyFetches(issuer), 3);
  await clock.advance(31_000);
  await Promise.all(Array.from({ length: 20 }, () => tokens.check(unknown)));
  assert.equal(keyFetches(issuer), 4);
});

test("a token younger than the keys, by a key not among them, is put off while it is too soon to ask", async () => {
  const { clock, issuer, tokens } = await open();
  assert.equal(await checked(tokens, await issuer.token()), "ann@example.org");
  await clock.advance(5000);
  await issuer.addKey();
  const fresh = await issuer.token();
  assert.match(await checked(tokens, fresh), /^unavailable: .*may have added/);
  await clock.advance(26_000);
  assert.equal(await checked(tokens, fresh), "ann@example.org");
});

test("a withdrawn key ends within an hour, and within six while the issuer does not answer", async () => {
  const { clock, issuer, tokens } = await open();
  const long = { exp: now(clock) + 100_000 };
  const old = await issuer.token(long);
  assert.equal(await checked(tokens, old), "ann@example.org");
  await issuer.addKey();
  issuer.withdrawOldKeys();
  await clock.advance(3_600_000);
  assert.equal(await checked(tokens, old), "ann@example.org");
  await clock.advance(1000);
  assert.match(await checked(tokens, old), /^invalid: .*does not publish/);

  issuer.down = "login.example.net cannot be reached";
  const young = await issuer.token(long);
  await clock.advance(6 * 3_600_000 - 2000);
  assert.equal(await checked(tokens, young), "ann@example.org");
  await clock.advance(3000);
  assert.match(await checked(tokens, young), /^unavailable: the keys of https.* cannot be reached$/);
  issuer.down = undefined;
  await clock.advance(30_000);
  assert.equal(await checked(tokens, young), "ann@example.org");
});

test("nobody signs in while the issuer's documents cannot be had, and it is asked twice a minute at most", async () => {
  const discovery = ".well-known/openid-configuration";
  const cases: readonly (readonly [path: string, status: number, value: unknown, why: RegExp])[] = [
    [discovery, 500, {}, /answers 500/],
    [discovery, 200, "<html>", /without a JSON object/],
    [discovery, 200, [1], /without a JSON object/],
    [discovery, 200, { issuer: "https://evil.example", jwks_uri: `${issuerUrl}/keys` }, /of another issuer/],
    [discovery, 200, { issuer: issuerUrl, jwks_uri: "http://login.example.net/keys" }, /no jwks_uri with https/],
    ["keys", 404, {}, /answers 404/],
    ["keys", 200, { keys: {} }, /no set of keys/],
    ["keys", 200, { keys: [] }, /no set of keys/],
    ["keys", 200, `{"keys":[${"1,".repeat(200_000)}1]}`, /too much/],
  ];
  for (const [path, status, value, why] of cases) {
    const { clock, issuer, tokens } = await open();
    issuer.answers.set(path, { status, value });
    for (let i = 0; i < 5; i++) assert.match(await checked(tokens, await issuer.token()), why, `${path} ${status}`);
    assert.equal(issuer.asked.length, path === "keys" ? 2 : 1);
    issuer.answers.clear();
    await clock.advance(30_000);
    assert.equal(await checked(tokens, await issuer.token()), "ann@example.org");
  }
});

test("keys that nobody can read are passed over; a token without a key id is tried by all that fit", async () => {
  const { issuer, tokens } = await open();
  await issuer.addKey();
  const broken = [null, 7, { kty: 7 }, { kty: "oct", k: "c2VjcmV0", alg: "ES256" }, { kty: "EC", crv: "P-256" }];
  const keys = [...broken, ...issuer.publishedKeys.map((key) => ({ ...key, kid: undefined }))];
  issuer.answers.set("keys", { status: 200, value: { keys } });
  const unnamed = { kid: undefined };
  assert.equal(await checked(tokens, await issuer.token({}, unnamed)), "ann@example.org");
  const stranger = await TestIssuer.open(new ManualClock());
  assert.match(await checked(tokens, await stranger.token({}, unnamed)), /^invalid: .*does not publish/);
});

test("introspection: the issuer says whether a token is good, and is believed in what it says of it", async () => {
  const introspection = { url: `${issuerUrl}/introspect`, client_id: "mail:1", client_secret: "se cret" };
  const { clock, issuer, tokens } = await open({ introspection, audience: undefined, scopes: ["smtp"] });
  const seconds = now(clock);
  const cases: readonly (readonly [status: number, value: unknown, result: RegExp])[] = [
    [200, { active: true, scope: "smtp", email: "ann@example.org" }, /^ann@example\.org$/],
    [200, { active: true, scope: "smtp", email: "ann@example.org", iss: issuerUrl, exp: seconds + 5 }, /^ann@/],
    [200, { active: false }, /^invalid: .*not active/],
    [200, { active: "true", scope: "smtp", email: "ann@example.org" }, /^invalid: .*not active/],
    [200, { active: true, scope: "smtp" }, /^invalid: it has no claim/],
    [200, { active: true, scope: "imap", email: "ann@example.org" }, /^invalid: it lacks the scope smtp/],
    [200, { active: true, scope: "smtp", email: "ann@example.org", exp: seconds - 30 }, /^invalid: it has expired/],
    [
      200,
      { active: true, scope: "smtp", email: "ann@example.org", nbf: seconds + 31 },
      /^invalid: it is not valid yet/,
    ],
    [200, { active: true, scope: "smtp", email: "ann@example.org", iss: "https://x" }, /^invalid: .*another issuer/],
    [401, { error: "invalid_client" }, /^unavailable: .*correct client_id/],
    [503, {}, /^unavailable: .*503/],
    [200, "nonsense", /^unavailable: /],
  ];
  for (const [status, value, expected] of cases) {
    issuer.answers.set("introspect", { status, value });
    assert.match(await checked(tokens, "opaque"), expected, JSON.stringify(value));
  }
  assert.deepEqual(issuer.forms[0], { token: "opaque", token_type_hint: "access_token" });
  // RFC 6749 §2.3.1: form-encoded first.
  assert.equal(issuer.authorizations[0], `Basic ${Buffer.from("mail%3A1:se+cret").toString("base64")}`);
  issuer.down = "it is down";
  assert.match(await checked(tokens, "opaque"), /^unavailable: .*it is down/);
});

test("with an audience, introspection must name it", async () => {
  const introspection = { url: `${issuerUrl}/introspect`, client_id: "mail", client_secret: "secret" };
  const { issuer, tokens } = await open({ introspection });
  issuer.answers.set("introspect", { status: 200, value: { active: true, email: "ann@example.org", aud: "web" } });
  assert.match(await checked(tokens, "opaque"), /^invalid: .*aud/);
  issuer.answers.set("introspect", { status: 200, value: { active: true, email: "ann@example.org", aud: ["mail"] } });
  assert.equal(await checked(tokens, await issuer.token({ aud: "web" })), "ann@example.org");
});

test("a token goes to the issuer that it names and to no other", async () => {
  const clock = new ManualClock();
  const [one, two] = await Promise.all([
    TestIssuer.open(clock),
    TestIssuer.open(clock, { url: "https://two.example" }),
  ]);
  const http = {
    request: (request: Parameters<TestIssuer["request"]>[0], options: Parameters<TestIssuer["request"]>[1]) =>
      (request.url.startsWith(one.url) ? one : two).request(request, options),
  };
  const introspection = { url: "https://two.example/introspect", client_id: "mail", client_secret: "secret" };
  const settings = [
    issuerSettings.parse({ url: one.url, audience: ["mail"] }),
    issuerSettings.parse({ url: two.url, introspection }),
  ];
  const tokens = new IssuerTokens({ http, clock }, settings);
  two.answers.set("introspect", { status: 200, value: { active: true, email: "bob@example.org" } });
  assert.equal(await checked(tokens, await one.token()), "ann@example.org");
  assert.deepEqual(two.asked, []);
  assert.equal(await checked(tokens, "opaque"), "bob@example.org");
  assert.match(await checked(tokens, await one.token({ iss: "https://three.example" })), /^invalid: its issuer/);
  assert.equal(two.forms.length, 1);

  // A reload keeps the keys of an issuer that stays as it is.
  const before = one.asked.length;
  tokens.reconfigure([issuerSettings.parse({ url: one.url, audience: ["mail"] })]);
  assert.equal(await checked(tokens, await one.token()), "ann@example.org");
  assert.equal(one.asked.length, before);
  tokens.reconfigure([]);
  assert.equal(tokens.help, undefined);
  assert.match(await checked(tokens, await one.token()), /^invalid: its issuer/);
});

test("RFC 7628 §3.2.2: help for a refused client, where one issuer leaves no doubt whose it is", async () => {
  const configuration = `${issuerUrl}/.well-known/openid-configuration`;
  const one = issuerSettings.parse({ url: issuerUrl, audience: ["mail"], scopes: ["smtp", "more"] });
  const two = issuerSettings.parse({ url: "https://two.example", audience: ["mail"] });
  const help = (settings: (typeof one)[]) => new IssuerTokens({ clock: new ManualClock() }, settings).help;
  assert.deepEqual(help([one]), { scope: "smtp", configuration });
  assert.deepEqual(help([one, two]), {});
  assert.equal(help([]), undefined);
});

test("more checks at once than an issuer should get are put off", async () => {
  const { issuer, tokens } = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  issuer.gate = promise;
  const token = await issuer.token();
  const pending = Array.from({ length: 64 }, () => checked(tokens, token));
  assert.match(await checked(tokens, token), /^unavailable: too many tokens/);
  resolve();
  assert.deepEqual(new Set(await Promise.all(pending)), new Set(["ann@example.org"]));
  assert.equal(keyFetches(issuer), 1);
});
