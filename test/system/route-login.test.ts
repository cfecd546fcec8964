/**
 * A route whose relay host wants OAuth, from its first message to the day on which consent is withdrawn: the mail waits,
 * `explain` says what to do, and a login sends it on its way.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { issuerUrl, type TestAnswer, TestIssuer } from "../../src/testing/test-issuer.ts";
import { hour, minute, second, SimulatedWorld } from "./support.ts";

const client = {
  name: "example",
  client_id: "posthaste",
  scope: "smtp",
  token_url: `${issuerUrl}/token`,
  device_url: `${issuerUrl}/device`,
};
const route = {
  domain: "*",
  via: "relay",
  host: "mx.relay.test:25",
  auth: { username: "news@example.org", oauth: "example" },
} as const;
/** What the command reads; the server has the same. */
const file = `hostname = "mail.example.org"
data_dir = "/data"
[[listener]]
kind = "mx"
[[route]]
domain = "*"
via = "relay"
host = "mx.relay.test:25"
auth = { username = "news@example.org", oauth = "example" }
[[oauth.client]]
name = "example"
client_id = "posthaste"
scope = "smtp"
token_url = "${client.token_url}"
device_url = "${client.device_url}"
`;
const gone = { status: 400, value: { error: "invalid_grant", error_description: "Token has been revoked." } };

async function begun(mechanism: "XOAUTH2" | "OAUTHBEARER") {
  const world = new SimulatedWorld();
  const provider = await TestIssuer.open(world.clock);
  world.serviceClient = provider;
  await world.files.makeDirectory("/home/ann");
  await world.files.replaceFile("/home/ann/posthaste.toml", Buffer.from(file));
  const facts = { verified: true } as const;
  world.network.tlsOutcome = () => ({ kind: "established", facts });
  const refused = new Set<string>();
  const peer = await world.peer("relay.test", {
    keywords: ["PIPELINING", "STARTTLS"],
    tlsKeywords: ["PIPELINING", `AUTH PLAIN ${mechanism}`],
    answer: ({ verb, line }) => {
      if (verb !== "AUTH") return line === "AQ==" || line === "" ? "535 5.7.8 no" : undefined;
      const said = Buffer.from(line.split(" ")[2] ?? "", "base64").toString();
      return [...refused].some((token) => said.includes(`Bearer ${token}\u0001`))
        ? "334 eyJzdGF0dXMiOiI0MDEifQ=="
        : "235 2.7.0 welcome";
    },
  });
  await world.start({ route: [route], oauth: { client: [client] } });
  let given = 0;
  const give = (): TestAnswer => ({
    status: 200,
    value: {
      access_token: `token-${++given}`,
      token_type: "Bearer",
      expires_in: 3600,
      refresh_token: `refresh-${given}`,
    },
  });
  provider.answers.set("device", {
    status: 200,
    value: {
      device_code: "d",
      user_code: "WDJB-MJHT",
      verification_uri: "https://login.example.net/device",
      expires_in: 600,
    },
  });
  provider.answers.set("token", give);
  /** `posthaste route login`, while time goes on. */
  const logIn = async () => {
    const running = world.command("route login news@example.org");
    let over = false;
    void running.finally(() => (over = true));
    for (let round = 0; round < 60 && !over; round++) await world.advance(second);
    return await running;
  };
  return { world, provider, peer, give, logIn, refused };
}

const explained = async (world: SimulatedWorld, id: string) =>
  (await world.command(`explain ${id}`)).stdout.replaceAll(/\s+/g, " ");

test("mail waits for the first login, goes out by an access token, and waits again when consent is gone", async () => {
  const { world, provider, peer, give, logIn } = await begun("XOAUTH2");
  await using _ = world;
  const first = await world.accept("joe@origin.test", "far@elsewhere.test");
  assert.deepEqual(await world.states(first), ["far@elsewhere.test scheduled"]);
  assert.match(
    await explained(world, first),
    /no account has logged in yet; run `posthaste route login news@example\.org --client example`/,
  );
  assert.equal(peer.sessions, 0);
  assert.match(String(world.log.of("relay-login-failed")[0]?.["reason"]), /no account has logged in yet/);

  const login = await logIn();
  assert.equal(login.code, 0, login.stderr);
  assert.match(
    login.stderr,
    /Open https:\/\/login\.example\.net\/device on any device, and enter the code WDJB-MJHT within 10 min/,
  );
  assert.match((await world.command("route logins")).stdout, /news@example\.org +example .* good/);
  await world.advance(hour);
  assert.deepEqual(await world.states(first), ["far@elsewhere.test relayed"]);
  const auth = peer.lines.find((line) => line.startsWith("AUTH XOAUTH2"));
  const message = Buffer.from(auth?.split(" ")[2] ?? "", "base64").toString();
  assert.equal(message, "user=news@example.org\u0001auth=Bearer token-2\u0001\u0001");

  provider.answers.set("token", gone);
  await world.advance(hour);
  const second = await world.accept("joe@origin.test", "far@elsewhere.test");
  assert.deepEqual(await world.states(second), ["far@elsewhere.test scheduled"]);
  const words =
    /example says invalid_grant: Token has been revoked\.; run `posthaste route login news@example\.org --client/;
  assert.match(await explained(world, second), words);
  assert.match((await world.command("queue list --json")).stdout, words);
  assert.match(
    (await world.command("route logins")).stdout,
    /gone since .*\(invalid_grant: Token has been revoked\.\)/,
  );
  assert.equal(world.log.of("relay-consent-gone").length, 1);
  await world.advance(20 * hour);
  assert.deepEqual(await world.states(second), ["far@elsewhere.test scheduled"]);

  provider.answers.set("token", give);
  assert.equal((await logIn()).code, 0);
  await world.advance(5 * hour);
  assert.deepEqual(await world.states(second), ["far@elsewhere.test relayed"]);
  const said = JSON.stringify([world.log.events, login.stderr, login.stdout]);
  assert.ok(!said.includes("refresh-") && !said.includes("token-1"), "no secret is told");
});

test("OAUTHBEARER comes first where it is offered; a token that the relay host refuses is replaced", async () => {
  const { world, peer, logIn, refused } = await begun("OAUTHBEARER");
  await using _ = world;
  assert.equal((await logIn()).code, 0);
  refused.add("token-2");
  const id = await world.accept("joe@origin.test", "far@elsewhere.test");
  assert.match(await explained(world, id), /535 5\.7\.8/);
  const said = peer.lines.filter((line) => line.startsWith("AUTH")).map((line) => line.split(" ")[1]);
  assert.deepEqual(said, ["OAUTHBEARER"]);
  await world.advance(30 * minute);
  assert.deepEqual(await world.states(id), ["far@elsewhere.test relayed"]);
  const [, last = ""] =
    /AUTH OAUTHBEARER (\S+)$/.exec(peer.lines.findLast((line) => line.startsWith("AUTH")) ?? "") ?? [];
  const expected = "n,a=news@example.org,\u0001auth=Bearer token-3\u0001\u0001";
  assert.equal(Buffer.from(last, "base64").toString(), expected);
});

test("route logout forgets the login; what is wrong in the configuration is said before anybody is asked", async () => {
  const { world, provider, logIn } = await begun("XOAUTH2");
  await using _ = world;
  assert.match((await world.command("route logins")).stderr, /No account is logged in/);
  assert.equal((await world.command("route logout news@example.org")).code, 65);
  assert.equal((await logIn()).code, 0);
  assert.equal((await world.command("route logout news@example.org --client example")).code, 0);
  assert.match((await world.command("route logins")).stderr, /No account is logged in/);
  const asked = provider.asked.length;
  const other = await world.command("route login other@example.org");
  assert.deepEqual([other.code, other.stderr.includes("no route logs in as other@example.org by OAuth")], [65, true]);
  assert.equal((await world.command("route login news@example.org --client nobody")).code, 64);
  assert.equal(provider.asked.length, asked);
  provider.answers.set("token", { status: 400, value: { error: "access_denied" } });
  const denied = await logIn();
  assert.deepEqual([denied.code, /example says access_denied/.test(denied.stderr)], [77, true]);
  provider.answers.set("token", { status: 200, value: { access_token: "t", token_type: "bearer" } });
  const online = await logIn();
  assert.deepEqual([online.code, /no refresh token/.test(online.stderr)], [65, true]);
});
