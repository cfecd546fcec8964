/** What the session still waits for when its client is gone: the answer comes, and changes nothing but the log. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoginResult } from "../accounts/account-directory.ts";
import { settle } from "../testing/manual-clock.ts";
import { plain, ReceivingServer, type ScriptedClient } from "../testing/receiving-server.ts";

/** Sends the command and resets the connection, which a client does that has not read a reply before it. */
async function reset(server: ReceivingServer, client: ScriptedClient, command: string): Promise<void> {
  client.connection.pause();
  client.send(`NOOP\r\n${command}\r\n`);
  await settle();
  client.connection.destroy();
  await settle();
  assert.equal(server.log.of("session-closed").length, 1);
}

test("a login that is decided after its client is gone is logged as such, and is no fault", async () => {
  const { promise, resolve } = Promise.withResolvers<LoginResult>();
  await using server = await ReceivingServer.open({
    accounts: (accounts) => ({
      resolve: (mailbox) => accounts.resolve(mailbox),
      mayUse: (login, mailbox) => accounts.mayUse(login, mailbox),
      signInMeans: () => accounts.signInMeans(),
      verifiersOf: (username, digest) => accounts.verifiersOf(username, digest),
      knowsCertificate: (shown) => accounts.knowsCertificate(shown),
      authenticate: () => promise,
    }),
  });
  const client = await server.client("submission");
  await client.startTls();
  await client.expect("EHLO client.test", "250");
  await reset(server, client, `AUTH PLAIN ${plain("ann@example.org", "wrong")}`);
  resolve({ kind: "refused", reason: "wrong-password" });
  await settle();
  assert.deepEqual(server.log.of("internal-error"), []);
  assert.deepEqual(
    server.log.of("login-failed").map(({ username, reason }) => [username, reason]),
    [["ann@example.org", "wrong-password"]],
  );
});
