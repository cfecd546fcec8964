/** OAUTHBEARER and XOAUTH2 over a session, with the tokens of a real issuer and our own client's side. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { IssuerTokens } from "../oauth/issuer-tokens.ts";
import { issuerSettings } from "../oauth/settings.ts";
import { formatOAuthBearer, formatXOAuth2 } from "../sasl/oauth.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer, type ReceivingServerOptions, type ScriptedClient } from "../testing/receiving-server.ts";
import { issuerUrl, TestIssuer } from "../testing/test-issuer.ts";

async function open(options: Pick<ReceivingServerOptions, "bans"> = {}) {
  const issuers = Promise.withResolvers<TestIssuer>();
  const server = await ReceivingServer.open({
    ...options,
    tokens: async ({ clock }) => {
      const issuer = await TestIssuer.open(clock);
      issuers.resolve(issuer);
      const settings = issuerSettings.parse({ url: issuerUrl, audience: ["mail"], scopes: ["smtp"] });
      const tokens = new IssuerTokens({ http: issuer, clock }, [settings]);
      return { help: tokens.help, check: (token) => (underWay = tokens.check(token)) };
    },
  });
  return { server, issuer: await issuers.promise };
}

/** The last check: signatures are verified by threads, which take their time. */
let underWay: Promise<unknown> = Promise.resolve();

async function say(client: ScriptedClient, line: string, beginning: string): Promise<string> {
  client.send(`${line}\r\n`);
  await settle();
  await underWay;
  const reply = await client.reply();
  assert.ok(reply.startsWith(beginning), `${line} → ${reply} instead of ${beginning}`);
  return reply;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const documentOf = (reply: string) => JSON.parse(Buffer.from(reply.slice(4), "base64").toString()) as unknown;

async function offered(client: ScriptedClient): Promise<readonly string[]> {
  const answer = await client.expect("EHLO client.test", "250");
  return /^250-AUTH (.*)$/m.exec(answer)?.[1]?.split(" ") ?? [];
}

test("AUTH-029 AUTH-031: offered under TLS on submission where an issuer is configured, and nowhere else", async () => {
  const { server } = await open();
  await using _ = server;
  const both = ["OAUTHBEARER", "XOAUTH2"];
  const among = (names: readonly string[]) => names.filter((name) => both.includes(name));
  const submission = await server.client("submission");
  assert.deepEqual(await offered(submission), []);
  await submission.startTls();
  assert.deepEqual(among(await offered(submission)), both);
  assert.deepEqual(among(await offered(await server.client("submissions"))), both);
  assert.deepEqual(await offered(await server.client("mx")), []);
  await using without = await ReceivingServer.open();
  assert.deepEqual(among(await offered(await without.client("submissions"))), []);
});

test("a good token signs in by either mechanism, with or without an initial response, and the session is ann's", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  const token = await issuer.token();
  for (const [mechanism, message] of [
    ["OAUTHBEARER", formatOAuthBearer("ann@example.org", token)],
    ["OAUTHBEARER", formatOAuthBearer("", token)],
    ["XOAUTH2", formatXOAuth2("ann@example.org", token)],
  ] as const) {
    const client = await server.client("submissions");
    await say(client, `AUTH ${mechanism} ${base64(message)}`, "235 2.7.0");
    await client.expect("MAIL FROM:<ann@example.org>", "250");
    const patient = await server.client("submissions");
    assert.match(await patient.expect(`AUTH ${mechanism}`, "334"), /^334 ?$/);
    await say(patient, base64(message), "235 2.7.0");
    await patient.expect("MAIL FROM:<bob@example.org>", "550");
  }
  assert.equal(server.log.of("login-succeeded")[0]?.["login"], "ann@example.org");
});

test("AUTH-029: a refused token gets the error document of OAUTHBEARER, whatever the answer to it then 535", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  const expired = await issuer.token({ exp: 1 });
  for (const dummy of [base64(Uint8Array.of(1)), "", "AAAA"]) {
    const client = await server.client("submissions");
    const challenge = await say(
      client,
      `AUTH OAUTHBEARER ${base64(formatOAuthBearer("ann@example.org", expired))}`,
      "334 ",
    );
    assert.deepEqual(documentOf(challenge), {
      status: "invalid_token",
      schemes: "bearer",
      scope: "smtp",
      "openid-configuration": `${issuerUrl}/.well-known/openid-configuration`,
    });
    await client.expect(dummy, "535 5.7.8");
    // The client fetches a new token and stays.
    await say(client, `AUTH OAUTHBEARER ${base64(formatOAuthBearer("", await issuer.token()))}`, "235");
  }
  const cancelling = await server.client("submissions");
  await say(cancelling, `AUTH OAUTHBEARER ${base64(formatOAuthBearer("", expired))}`, "334 ");
  await cancelling.expect("*", "501");
  const [told] = server.log.of("login-failed");
  assert.deepEqual([told?.["reason"], told?.["mechanism"]], ["expired-token", "OAUTHBEARER"]);
  assert.match(String(told?.["detail"]), /exp/);
  assert.ok(!JSON.stringify(server.log).includes(expired.slice(-40)));
});

test("expired tokens and questions for the document are no guesses; tokens of a stranger are", async () => {
  const { server, issuer } = await open({ bans: { failed_logins: 3, errors: 0, tarpit: "0s" } });
  await using _ = server;
  const refused = async (message: Uint8Array) => {
    const client = await server.client("submissions");
    await say(client, `AUTH OAUTHBEARER ${base64(message)}`, "334 ");
    await client.expect("AQ==", "535 5.7.8");
  };
  const question = Buffer.from("n,a=ann@example.org,\u0001auth=\u0001\u0001");
  for (let round = 0; round < 4; round++) {
    await refused(formatOAuthBearer("", await issuer.token({ exp: 1 })));
    await refused(question);
  }
  assert.deepEqual(server.log.of("network-banned"), []);
  const stranger = await TestIssuer.open(server.clock);
  for (let round = 0; round < 4; round++) await refused(formatOAuthBearer("", await stranger.token({ exp: 1 })));
  assert.equal(server.log.of("network-banned").length, 1);
});

test("AUTH-031: XOAUTH2's document has the status of HTTP, as Google's", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  const client = await server.client("submissions");
  const message = formatXOAuth2("ann@example.org", await issuer.token({ aud: "other" }));
  const challenge = await say(client, `AUTH XOAUTH2 ${base64(message)}`, "334 ");
  assert.deepEqual(documentOf(challenge), { status: "401", schemes: "bearer", scope: "smtp" });
  await client.expect("", "535 5.7.8");
});

test("RFC 7628 §4.3: a client that asks for the document without a token gets it, and no issuer is asked", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  const client = await server.client("submissions");
  const question = Buffer.from("n,a=ann@example.org,\u0001auth=\u0001\u0001");
  await say(client, `AUTH OAUTHBEARER ${base64(question)}`, "334 ");
  await client.expect("AQ==", "535 5.7.8");
  assert.deepEqual(issuer.asked, []);
});

test("a token signs in its own user only, who has to exist", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  const refused = async (message: Uint8Array) => {
    const client = await server.client("submissions");
    await say(client, `AUTH OAUTHBEARER ${base64(message)}`, "334 ");
    await client.expect("AQ==", "535 5.7.8");
  };
  await refused(formatOAuthBearer("bob@example.org", await issuer.token()));
  await refused(formatOAuthBearer("", await issuer.token({ email: "nobody@example.org" })));
  await refused(formatOAuthBearer("", await issuer.token({ email: "ann" })));
  // Look-alikes: an issuer's name is compared as it is.
  await refused(formatOAuthBearer("", await issuer.token({ email: "\uFF41nn@example.org" })));
  assert.deepEqual(
    server.log.of("login-failed").map(({ reason }) => reason),
    ["other-identity", "unknown-user", "wrong-token", "unknown-user"],
  );
});

test("while the issuer cannot be reached, nobody signs in by token: 454 at once, and the log says why", async () => {
  const { server, issuer } = await open();
  await using _ = server;
  issuer.down = "login.example.net does not answer in time";
  const client = await server.client("submissions");
  const message = base64(formatOAuthBearer("", await issuer.token()));
  await say(client, `AUTH OAUTHBEARER ${message}`, "454 4.7.0");
  assert.match(String(server.log.of("login-failed")[0]?.["error"]), /does not answer in time$/);
  issuer.down = undefined;
  await server.clock.advance(30_000);
  await say(client, `AUTH OAUTHBEARER ${message}`, "235");
});
