import assert from "node:assert/strict";
import { test } from "node:test";
import type { SignInSubject } from "../accounts/sign-in-limits.ts";
import type { Ban } from "../policy/bans.ts";
import { bansApi } from "./bans-api.ts";

const ban: Ban = {
  ...{ network: "2001:db8:0:1::/64", service: "submission", offence: "failed-login", client: "2001:db8:0:1::9" },
  ...{ times: 2, since: Date.UTC(2026, 0, 1), until: Date.UTC(2026, 0, 1, 0, 20) },
};
const shown = { ...ban, since: "2026-01-01T00:00:00.000Z", until: "2026-01-01T00:20:00.000Z" };

test("the API lists, explains and lifts, of networks and of logins, and says what is wrong with a request", async () => {
  const asked: SignInSubject[] = [];
  const app = bansApi({
    list: () => [ban],
    explain: (network) => ({
      network,
      exemption: network === "192.0.2.1" ? "relay-network" : undefined,
      bans: network === "192.0.2.1" ? [] : [ban],
      left: [{ service: "mail", offence: "error", left: 7 }],
    }),
    standing: (of) => Promise.resolve({ failures: of.kind === "account" ? 6 : 0, waitMs: 1200 }),
    lift: (of) => {
      asked.push(of);
      return Promise.resolve(of.kind === "account" ? [] : [ban]);
    },
  });
  const ask = async (path: string, json?: unknown) => {
    const headers = { "content-type": "application/json" };
    const init = json === undefined ? {} : { method: "POST", headers, body: JSON.stringify(json) };
    const response = await app.request(path, init);
    return { status: response.status, body: await response.json() };
  };
  assert.deepEqual(await ask("/"), { status: 200, body: { bans: [shown] } });
  const logins = { failed_logins: 0, login_wait_seconds: 2 };
  const allowance = [{ service: "mail", offence: "error", left: 7 }];
  assert.deepEqual((await ask("/explain?of=2001:db8:0:1::/64")).body, {
    ...{ network: "2001:db8:0:1::", never_banned: null, bans: [shown], allowance },
    ...logins,
  });
  assert.deepEqual((await ask("/explain?of=192.0.2.1")).body, {
    ...{ network: "192.0.2.1", never_banned: "relay-network", bans: [], allowance },
    ...logins,
  });
  assert.deepEqual((await ask("/explain?of=Ann@Example.org")).body, {
    ...{ login: "ann@example.org", failed_logins: 6, login_wait_seconds: 2 },
  });
  assert.deepEqual((await ask("/lift", { of: "2001:db8:0:1::/64" })).body, { lifted: [shown] });
  assert.deepEqual((await ask("/lift", { of: "ann@example.org" })).body, { lifted: [] });
  assert.deepEqual(asked, [
    { kind: "network", network: "2001:db8:0:1::" },
    { kind: "account", account: "ann@example.org" },
  ]);
  assert.equal((await ask("/explain?of=somewhere")).status, 400);
  assert.equal((await ask("/lift", { of: "192.0.2.300" })).status, 400);
  assert.equal((await ask("/lift", {})).status, 400);
});
