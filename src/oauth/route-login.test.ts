/** How consent is asked for: by a code that is typed in elsewhere, or by a browser that runs elsewhere. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { issuerUrl, type TestAnswer, TestIssuer } from "../testing/test-issuer.ts";
import { beginBrowserLogin } from "./browser-login.ts";
import { clientSettings } from "./client-settings.ts";
import { beginDeviceLogin, type DeviceLogin } from "./device-login.ts";

const urls = {
  token_url: `${issuerUrl}/token`,
  device_url: `${issuerUrl}/device`,
  authorization_url: `${issuerUrl}/auth?access_type=offline`,
};
const client = {
  ...clientSettings.parse({ name: "example", client_id: "posthaste", scope: "smtp offline", ...urls }),
  ...urls,
};
const device = {
  device_code: "the device code",
  user_code: "WDJB-MJHT",
  verification_uri: "https://login.example.net/device",
  expires_in: 600,
};
const granted = {
  status: 200,
  value: { access_token: "token-1", token_type: "bearer", expires_in: 3600, refresh_token: "refresh-1" },
};
const refusedWith = (error: string): TestAnswer => ({ status: 400, value: { error } });

async function begin(answer: object = {}) {
  const clock = new ManualClock();
  const provider = await TestIssuer.open(clock);
  const value = { ...device, device_code: "code-1", ...answer };
  provider.answers.set("device", { status: 200, value });
  const login = await beginDeviceLogin(client, { http: provider, clock });
  return { clock, provider, login };
}

/** Each answer to a question, and the seconds between the questions. */
async function waitWith(answers: readonly (TestAnswer | "down")[], more: object = {}) {
  const { clock, provider, login } = await begin(more);
  assert.ok(typeof login === "object");
  const times: number[] = [];
  let last = clock.monotonicMs();
  const left = [...answers];
  provider.answers.set("token", () => {
    times.push((clock.monotonicMs() - last) / 1000);
    last = clock.monotonicMs();
    const answer = left.shift() ?? refusedWith("authorization_pending");
    return answer === "down" ? { status: 502, value: "bad gateway" } : answer;
  });
  const result = await ended(login, clock);
  return { result, times, provider };
}

async function ended(login: DeviceLogin, clock: ManualClock) {
  let result: Awaited<ReturnType<DeviceLogin["wait"]>> | undefined;
  const waiting = login.wait(new AbortController().signal).then((answer) => (result = answer));
  for (let second = 0; second < 4000 && result === undefined; second++) {
    await clock.advance(1000);
    await settle();
  }
  return await waiting;
}

test("RFC 8628: the code is shown, and the provider asked at its pace until someone has consented", async () => {
  const pending = refusedWith("authorization_pending");
  const { result, times, provider } = await waitWith([pending, refusedWith("slow_down"), pending, "down", granted]);
  assert.equal(result.kind === "granted" && result.refreshToken, "refresh-1");
  assert.deepEqual(times, [5, 5, 10, 10, 15]);
  assert.deepEqual(provider.forms.slice(0, 2), [
    { client_id: "posthaste", scope: "smtp offline" },
    {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: "code-1",
      client_id: "posthaste",
    },
  ]);
  assert.deepEqual((await waitWith([pending, granted], { interval: 2 })).times, [2, 2]);
});

test("RFC 8628: refusal and expiry end it", async () => {
  const denied = await waitWith([refusedWith("access_denied")]);
  assert.deepEqual(denied.result, { kind: "refused", error: "access_denied", reason: "access_denied" });
  const expired = await waitWith([], { expires_in: 21 });
  assert.deepEqual(expired.times, [5, 5, 5, 5]);
  assert.match(expired.result.kind === "refused" ? expired.result.reason : "", /the code was not entered in time/);
  const { clock, login } = await begin();
  assert.ok(typeof login === "object");
  const stop = new AbortController();
  const waiting = login.wait(stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  await clock.advance(0);
});

test("RFC 8628: what cannot be shown to a person, or leads nowhere safe, is no code", async () => {
  const ok = await begin({ verification_uri: undefined, verification_url: "https://www.example.net/device" });
  assert.equal(typeof ok.login === "object" && ok.login.prompt.url, "https://www.example.net/device");
  for (const wrong of [
    { user_code: undefined },
    { user_code: "A\u001b[2J" },
    { user_code: "x".repeat(65) },
    { device_code: 7 },
    { verification_uri: "http://login.example.net/device" },
    { verification_uri: "https://login.example.net/\u0007" },
    { expires_in: -1 },
    { expires_in: "soon" },
  ]) {
    assert.equal((await begin(wrong)).login, "login.example.net answers without a code", JSON.stringify(wrong));
  }
  const { provider } = await begin();
  const ports = { http: provider, clock: new ManualClock() };
  provider.answers.set("device", { status: 400, value: { error: "invalid_scope" } });
  assert.equal(await beginDeviceLogin(client, ports), "invalid_scope");
  provider.answers.set("device", { status: 403, value: {} });
  assert.equal(await beginDeviceLogin(client, ports), "login.example.net answers 403");
  provider.down = "it is down";
  assert.equal(await beginDeviceLogin(client, ports), "it is down");
});

test("RFC 7636: by a browser, bound to this login by state and verifier", async () => {
  const provider = await TestIssuer.open(new ManualClock());
  provider.answers.set("token", granted);
  const login = beginBrowserLogin(client, { http: provider, random: new SeededRandom(5) });
  const asked = Object.fromEntries(new URL(login.url).searchParams);
  assert.match(asked["code_challenge"] ?? "", /^[\w-]{43}$/);
  assert.deepEqual(
    { ...asked, state: "", code_challenge: "" },
    {
      access_type: "offline",
      response_type: "code",
      client_id: "posthaste",
      redirect_uri: "http://127.0.0.1:1/",
      scope: "smtp offline",
      state: "",
      code_challenge: "",
      code_challenge_method: "S256",
    },
  );
  const refusals = {
    "": /not the address/,
    "code-1": /not the address/,
    "http://127.0.0.1:1/?code=&state=x": /not the address/,
    "http://127.0.0.1:1/?code=code-1&state=x": /another login/,
    "http://127.0.0.1:1/?code=code-1": /another login/,
    "http://127.0.0.1:1/?error=access_denied&error_description=No": /^access_denied: No$/,
  };
  for (const [pasted, words] of Object.entries(refusals)) {
    const answer = await login.finish(pasted);
    assert.match(answer.kind === "refused" ? answer.reason : "", words, pasted);
  }
  assert.deepEqual(provider.forms, []);
  const answer = await login.finish(` http://127.0.0.1:1/?state=${asked["state"]}&code=4%2Fcode&scope=x\n`);
  assert.equal(answer.kind === "granted" && answer.refreshToken, "refresh-1");
  const { code_verifier: verifier = "", ...form } = provider.forms[0] ?? {};
  assert.deepEqual(form, {
    grant_type: "authorization_code",
    code: "4/code",
    redirect_uri: "http://127.0.0.1:1/",
    client_id: "posthaste",
  });
  assert.equal(createHash("sha256").update(verifier).digest("base64url"), asked["code_challenge"]);
});
