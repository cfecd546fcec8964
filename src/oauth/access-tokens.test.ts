/** Access tokens for relay hosts: refreshed ahead of their end, one request at a time, and what follows when consent is gone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { issuerUrl, type TestAnswer, TestIssuer } from "../testing/test-issuer.ts";
import { AccessTokens } from "./access-tokens.ts";
import { clientSettings } from "./client-settings.ts";
import { GrantStore } from "./grant-store.ts";

const client = clientSettings.parse({
  name: "example",
  client_id: "posthaste",
  client_secret: "the client's secret",
  scope: "smtp",
  token_url: `${issuerUrl}/token`,
  device_url: `${issuerUrl}/device`,
});
const name = { client: "example", username: "news@example.org" };

async function open() {
  const clock = new ManualClock();
  const log = new CollectingLog();
  const provider = await TestIssuer.open(clock);
  const spool = new MemorySpool({ clock });
  const store = new GrantStore(spool);
  const tokens = new AccessTokens({ store, http: provider, clock, log, clients: [client] });
  let given = 0;
  const give = (more: object = {}): TestAnswer => ({
    status: 200,
    value: { access_token: `token-${++given}`, token_type: "Bearer", expires_in: 3600, ...more },
  });
  provider.answers.set("token", () => give());
  const reopened = () => new AccessTokens({ store, http: provider, clock, log, clients: [client] });
  return { clock, log, provider, store, tokens, give, reopened };
}

async function tokenOf(tokens: AccessTokens): Promise<string> {
  const answer = await tokens.tokenFor(name);
  return answer.kind === "token" ? answer.token : `${answer.kind}: ${answer.reason}`;
}

const invalidGrant = {
  status: 400,
  value: { error: "invalid_grant", error_description: "Token has been expired or revoked." },
};

test("a refresh token gives access tokens, each used until five minutes before its end", async () => {
  const { clock, provider, tokens } = await open();
  await tokens.logIn(name, "refresh-1");
  for (let i = 0; i < 3; i++) assert.equal(await tokenOf(tokens), "token-1");
  assert.deepEqual(provider.forms, [
    {
      grant_type: "refresh_token",
      refresh_token: "refresh-1",
      client_id: "posthaste",
      client_secret: "the client's secret",
    },
  ]);
  await clock.advance(3_300_000 - 1);
  assert.equal(await tokenOf(tokens), "token-1");
  assert.equal(provider.forms.length, 1);
  await clock.advance(1);
  // Nobody waits for the new one while the old one is good.
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  for (let i = 0; i < 5; i++) assert.equal(await tokenOf(tokens), "token-1");
  resolve();
  await settle();
  assert.equal(await tokenOf(tokens), "token-2");
  assert.equal(provider.forms.length, 2);
});

test("however many ask for the first token, the provider is asked once", async () => {
  const { provider, tokens } = await open();
  await tokens.logIn(name, "refresh-1");
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  const asked = Array.from({ length: 50 }, () => tokenOf(tokens));
  await settle();
  resolve();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(["token-1"]));
  assert.equal(provider.forms.length, 1);
});

test("a refresh token that the provider changes is stored, and outlives a restart", async () => {
  const { clock, provider, store, tokens, give, reopened } = await open();
  await tokens.logIn(name, "refresh-1");
  provider.answers.set("token", () => give({ refresh_token: "refresh-2" }));
  assert.equal(await tokenOf(tokens), "token-1");
  assert.equal((await store.get(name))?.refreshToken, "refresh-2");
  assert.equal(await tokenOf(reopened()), "token-2");
  assert.equal(provider.forms.at(-1)?.["refresh_token"], "refresh-2");
  await clock.advance(0);
});

test("without a login nobody is asked, and the sentence says what to do", async () => {
  const { provider, tokens } = await open();
  const words =
    /^no-consent: no account has logged in yet; run `posthaste route login news@example\.org --client example`$/;
  assert.match(await tokenOf(tokens), words);
  assert.deepEqual(provider.asked, []);
  await tokens.logIn(name, "refresh-1");
  assert.equal(await tokenOf(tokens), "token-1");
});

test("consent that is gone: told once in the log, kept over a restart, asked hourly, mended by a login", async () => {
  const { clock, log, provider, store, tokens, give, reopened } = await open();
  await tokens.logIn(name, "refresh-1");
  provider.answers.set("token", () => invalidGrant);
  const words =
    /^no-consent: example says invalid_grant: Token has been expired or revoked\.; run `posthaste route login news@/;
  for (let i = 0; i < 10; i++) assert.match(await tokenOf(tokens), words);
  assert.equal(provider.forms.length, 1);
  const gone = { client: "example", account: "news@example.org" };
  const reason = "invalid_grant: Token has been expired or revoked.";
  assert.deepEqual(log.of("relay-consent-gone"), [{ ...gone, reason }]);
  assert.deepEqual((await tokens.list())[0]?.gone, { at: clock.now(), reason });
  const later = reopened();
  assert.match(await tokenOf(later), words);
  assert.equal(log.of("relay-consent-gone").length, 1);

  // A provider that was mistaken is believed again.
  await clock.advance(3_600_000);
  provider.answers.set("token", () => give());
  assert.equal(await tokenOf(tokens), "token-1");
  assert.equal((await store.get(name))?.gone, undefined);
  assert.match(await tokenOf(later), /^token-2$/);

  provider.answers.set("token", () => invalidGrant);
  const again = reopened();
  assert.match(await tokenOf(again), words);
  await again.logIn(name, "refresh-9");
  provider.answers.set("token", () => give());
  assert.equal(await tokenOf(again), "token-3");
  assert.equal(provider.forms.at(-1)?.["refresh_token"], "refresh-9");
  assert.equal((await store.get(name))?.gone, undefined);
});

test("a login that comes while the old consent is asked for is not overwritten", async () => {
  const { provider, store, tokens, give } = await open();
  await tokens.logIn(name, "old");
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  provider.answers.set("token", ({ refresh_token: used }) => (used === "old" ? invalidGrant : give()));
  const asked = tokenOf(tokens);
  await settle();
  await tokens.logIn(name, "new");
  resolve();
  assert.match(await asked, /^no-consent/);
  assert.deepEqual([(await store.get(name))?.refreshToken, (await store.get(name))?.gone], ["new", undefined]);
  assert.equal(await tokenOf(tokens), "token-1");
});

test("trouble at the provider is no end of consent: the same is asked again after a minute", async () => {
  const answers: readonly (readonly [TestAnswer | string, RegExp])[] = [
    [{ status: 503, value: {} }, /^unavailable: no access token from example: login\.example\.net answers 503$/],
    [{ status: 429, value: { error: "invalid_grant" } }, /answers 429$/],
    [{ status: 500, value: { error: "invalid_grant" } }, /answers 500$/],
    [{ status: 400, value: {} }, /answers 400$/],
    [{ status: 200, value: "<html>" }, /without a JSON object$/],
    [{ status: 200, value: { access_token: "t o", token_type: "Bearer" } }, /without a bearer token$/],
    [{ status: 200, value: { access_token: "t", token_type: "mac" } }, /without a bearer token$/],
    [{ status: 200, value: { access_token: "t", token_type: "bearer", expires_in: 0 } }, /without a bearer token$/],
    [{ status: 401, value: { error: "invalid_client" } }, /refuses a new access token \(invalid_client\); correct/],
    ["it is down", /it is down$/],
  ];
  for (const [answer, words] of answers) {
    const { clock, log, provider, tokens, give } = await open();
    await tokens.logIn(name, "refresh-1");
    if (typeof answer === "string") provider.down = answer;
    else provider.answers.set("token", answer);
    for (let i = 0; i < 3; i++) assert.match(await tokenOf(tokens), words);
    assert.equal(provider.asked.length, 1);
    assert.equal((await tokens.list())[0]?.gone, undefined);
    provider.down = undefined;
    provider.answers.set("token", () => give());
    await clock.advance(60_000);
    assert.equal(await tokenOf(tokens), "token-1");
    assert.deepEqual(log.of("relay-consent-gone"), []);
  }
});

test("an old token serves to its end while the provider is in trouble", async () => {
  const { clock, provider, tokens } = await open();
  await tokens.logIn(name, "refresh-1");
  assert.equal(await tokenOf(tokens), "token-1");
  provider.down = "it is down";
  await clock.advance(3_579_000);
  assert.equal(await tokenOf(tokens), "token-1");
  await settle();
  await clock.advance(1000);
  assert.match(await tokenOf(tokens), /^unavailable: .*it is down/);
});

test("a token that the relay host refuses is replaced, unless it has just been", async () => {
  const { clock, provider, tokens } = await open();
  await tokens.logIn(name, "refresh-1");
  assert.equal(await tokenOf(tokens), "token-1");
  tokens.refused(name, "token-1");
  assert.equal(await tokenOf(tokens), "token-1");
  await clock.advance(60_000);
  tokens.refused(name, "another");
  assert.equal(await tokenOf(tokens), "token-1");
  tokens.refused(name, "token-1");
  assert.equal(await tokenOf(tokens), "token-2");
  assert.equal(provider.forms.length, 2);
});

test("a reload that mends the client's settings is followed at once; a client that is gone is named", async () => {
  const { provider, tokens, give } = await open();
  await tokens.logIn(name, "refresh-1");
  provider.answers.set("token", { status: 401, value: { error: "invalid_client" } });
  assert.match(await tokenOf(tokens), /^unavailable/);
  provider.answers.set("token", () => give());
  tokens.reconfigure([{ ...client, client_secret: "right" }]);
  assert.equal(await tokenOf(tokens), "token-1");
  assert.equal(provider.forms.at(-1)?.["client_secret"], "right");
  const other = { client: "gone", username: "x" };
  assert.match(JSON.stringify(await tokens.tokenFor(other)), /no \[\[oauth\.client\]\] with the name gone/);
});

test("a provider's words reach log and sentences without control characters, and cut", async () => {
  const { log, provider, tokens } = await open();
  await tokens.logIn(name, "refresh-1");
  const description = `\u001b[31mred\r\n${"x".repeat(1000)}`;
  provider.answers.set("token", { status: 400, value: { error: "invalid_grant", error_description: description } });
  const words = await tokenOf(tokens);
  assert.ok(words.length < 600 && /^[\x20-\x7e\u2026]+$/.test(words), words);
  assert.ok(!JSON.stringify(log).includes("refresh-1"));
});

test("a login can be forgotten, and what is stored in another form is not guessed at", async () => {
  const { clock, tokens } = await open();
  assert.equal(await tokens.logOut(name), false);
  await tokens.logIn(name, "refresh-1");
  assert.equal(await tokenOf(tokens), "token-1");
  assert.equal(await tokens.logOut(name), true);
  assert.match(await tokenOf(tokens), /^no-consent/);
  assert.deepEqual(await tokens.list(), []);
  const spool = new MemorySpool({ clock });
  const value = { version: 2, client: "example", username: "u", refreshToken: "r", since: 0 };
  await spool.changeRecords([{ kind: "put", namespace: "oauth-grants", key: "example u", value }]);
  await assert.rejects(new GrantStore(spool).list(), /the stored login "example u" cannot be read/);
});
