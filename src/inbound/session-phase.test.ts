/** The phases of a session, driven by clients: each row of the table happens, and nothing else does. */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import type { LoginResult } from "../accounts/account-directory.ts";
import { chooseClientMechanism } from "../sasl/client-mechanisms.ts";
import { digestBytes, formatScramVerifier, scramVerifierOf } from "../sasl/scram-verifier.ts";
import { settle } from "../testing/manual-clock.ts";
import {
  plain,
  ReceivingServer,
  type ReceivingServerOptions,
  type ScriptedClient,
} from "../testing/receiving-server.ts";
import { assertWalksEveryRow } from "../testing/table-walk.ts";
import { sessionTransitions } from "./session-phase.ts";

const ann = "ann@example.org";
const derive = (password: string, { digest, iterations, salt }: Parameters<typeof scramVerifierOf>[1]) =>
  pbkdf2Sync(password, salt, iterations, digestBytes(digest), digest);
const how = { digest: "sha256", iterations: 4096, salt: Buffer.from("salt") } as const;
const users = [{ address: ann, password: formatScramVerifier(scramVerifierOf(derive("secret", how), how)) }];

/** A session under TLS, in which nothing has happened. */
async function inSession(
  options: ReceivingServerOptions,
  scene: (client: ScriptedClient, server: ReceivingServer) => Promise<void>,
): Promise<void> {
  await using server = await ReceivingServer.open({ users, ...options });
  await scene(await server.client("submissions"), server);
  await settle();
  assert.deepEqual(server.log.of("internal-error"), []);
}

/** SCRAM up to the client's proof, which is sent and whose answer is not read. */
async function prove(client: ScriptedClient): Promise<void> {
  const mechanism = chooseClientMechanism({ kind: "password", username: ann, password: "secret" }, ["SCRAM-SHA-256"], {
    nonce: () => "rOprNGfwEbeRWgbNEkqO",
    derive,
  });
  const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("base64");
  const first = await client.expect(`AUTH SCRAM-SHA-256 ${base64(mechanism?.initial)}`, "334 ");
  client.send(`${base64(mechanism?.respond(Buffer.from(first.slice(4), "base64")))}\r\n`);
}

/** Ends the connection. */
async function vanish(client: ScriptedClient): Promise<void> {
  client.connection.destroy();
  await settle();
}

/** Sends a command whose answer takes long, and resets the connection, as a client does that leaves a reply unread. */
async function reset(client: ScriptedClient, command: string): Promise<void> {
  client.connection.pause();
  client.send(`NOOP\r\n${command}\r\n`);
  await settle();
  await vanish(client);
}

/** Sessions whose logins are decided when the scene says so. */
async function withSlowAccounts(
  scene: (client: ScriptedClient, decide: (result: LoginResult) => void, server: ReceivingServer) => Promise<void>,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<LoginResult>();
  const accounts: ReceivingServerOptions["accounts"] = (real) => ({
    resolve: (mailbox) => real.resolve(mailbox),
    mayUse: (login, mailbox) => real.mayUse(login, mailbox),
    signInMeans: () => real.signInMeans(),
    verifiersOf: (username, digest) => real.verifiersOf(username, digest),
    knowsCertificate: (shown) => real.knowsCertificate(shown),
    authenticate: () => promise,
  });
  await inSession({ accounts }, (client, server) => scene(client, resolve, server));
}

const scenes: Readonly<Record<string, () => Promise<void>>> = {
  "a login with a last challenge, and messages": () =>
    inSession({}, async (client) => {
      await client.expect("AUTH LOGIN", "334");
      await client.expect("*", "501");
      await prove(client);
      assert.match(await client.reply(), /^334 /);
      await client.expect("", "235");
      await client.expect(`MAIL FROM:<${ann}>`, "250");
      await client.expect("RSET", "250");
      await client.expect(`MAIL FROM:<${ann}>`, "250");
      await client.expect("RCPT TO:<bob@far.test>", "250");
      await client.expect("DATA", "354");
      await client.expect("Subject: x\r\n\r\nx\r\n.", "250");
      await client.expect("QUIT", "221");
      client.connection.end();
    }),
  "STARTTLS forgets what was said, where nothing was": async () => {
    await using server = await ReceivingServer.open({ users });
    const client = await server.client("submission");
    await client.startTls();
  },
  "the client is gone during a login": () =>
    inSession({}, async (client) => {
      await client.expect("AUTH LOGIN", "334");
      await vanish(client);
    }),
  "… during a transaction": () =>
    inSession({}, async (client) => {
      await client.expect(`AUTH PLAIN ${plain(ann, "secret")}`, "235");
      await client.expect(`MAIL FROM:<${ann}>`, "250");
      await vanish(client);
    }),
  "… during the content": () =>
    inSession({}, async (client) => {
      await client.expect(`AUTH PLAIN ${plain(ann, "secret")}`, "235");
      await client.expect(`MAIL FROM:<${ann}>`, "250");
      await client.expect("RCPT TO:<bob@far.test>", "250");
      await client.expect("DATA", "354");
      client.send("Subject: x\r\n");
      await vanish(client);
    }),
  "… before MAIL is decided": async () => {
    const decision = Promise.withResolvers<undefined>();
    await inSession({ stages: [{ rule: "slow", mail: () => decision.promise }] }, async (client) => {
      await client.expect(`AUTH PLAIN ${plain(ann, "secret")}`, "235");
      await reset(client, `MAIL FROM:<${ann}>`);
      decision.resolve(undefined);
    });
  },
  "… before a login is decided": () =>
    withSlowAccounts(async (client, decide) => {
      await reset(client, `AUTH PLAIN ${plain(ann, "wrong")}`);
      decide({ kind: "refused", reason: "wrong-password" });
    }),
  "a login that has a last challenge takes so long that the session is given up": () =>
    withSlowAccounts(async (client, decide, server) => {
      await prove(client);
      await server.clock.advance(180_000);
      assert.equal(await client.ended(), true);
      decide({ kind: "accepted", login: ann, by: "password" });
    }),
};

test("each row of the table happens, and nothing else does", async (context) => {
  await assertWalksEveryRow(sessionTransitions, async () => {
    for (const [name, scene] of Object.entries(scenes)) await context.test(name, scene);
  });
});
