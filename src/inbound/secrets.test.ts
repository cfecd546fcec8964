/**
 * Passwords are planted wherever a client can put one, right and wrong, and everything that receiving writes is searched for
 * them: the log at all levels, messages with their history, and replies.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";

const planted = "planted-Zq7xv-secret";
const base64 = (text: string) => Buffer.from(text).toString("base64");
/** As it is, and in base64 at each of the three offsets, less the characters that its neighbours share. */
const forms = [planted, ...[0, 1, 2].map((offset) => base64("x".repeat(offset) + planted).slice(4, 24))];

function assertNone(written: string, where: string): void {
  for (const form of forms) assert.ok(!written.includes(form), `${where} has ${form}`);
}

async function underTls(server: ReceivingServer) {
  const client = await server.client("submission");
  await client.startTls();
  await client.expect("EHLO client.test", "250");
  return client;
}

test("no password of a login, right or wrong or in the wrong place, is in log, history, message or reply", async () => {
  const user = "ann@example.org";
  await using server = await ReceivingServer.open({ users: [{ address: user, password: `hash:${planted}` }] });
  for (const sent of [plain(user, planted), plain(user, planted, "other@example.org"), base64(planted)]) {
    assert.throws(() => assertNone(sent, "what is sent"));
  }
  const replies: string[] = [];
  const say = async (client: Awaited<ReturnType<typeof underTls>>, line: string) => {
    client.send(`${line}\r\n`);
    replies.push(await client.reply());
    return replies.at(-1) ?? "";
  };

  const wrong = await underTls(server);
  assert.match(await say(wrong, `AUTH PLAIN ${plain("nobody@example.org", planted)}`), /^535/);
  assert.match(await say(wrong, `AUTH PLAIN ${plain(user, planted, "other@example.org")}`), /^535/);
  // No base64, an unknown mechanism, a password as a command, in the name of a client, and as the user's name.
  for (const line of [
    `AUTH PLAIN ${planted}!`,
    `AUTH X-UNKNOWN ${base64(planted)}`,
    planted,
    base64(planted),
    `AUTH LOGIN ${base64(user)} ${base64(planted)}`,
    `PASS ${planted}`,
  ]) {
    assert.match(await say(wrong, line), /^5/, line);
  }
  const clear = await server.client("submission");
  assert.match(await say(clear, `AUTH PLAIN ${plain(user, planted)}`), /^5/);

  const login = await underTls(server);
  assert.match(await say(login, "AUTH LOGIN"), /^334/);
  assert.match(await say(login, base64(user)), /^334/);
  assert.match(await say(login, base64(planted)), /^235/);
  await login.envelope(`<${user}>`, `<${user}>`);
  assert.match(await login.content(`From: ${user}\r\n\r\nhello`), /^250/);

  const messages = await server.messages();
  assert.equal(messages.length, 1);
  assert.ok(server.log.of("login-failed").length >= 2);
  assert.equal(server.log.of("login-succeeded").length, 1);
  assertNone(JSON.stringify(server.log.events), "the log");
  assertNone(JSON.stringify(messages), "the spool");
  assertNone(replies.join(), "a reply");
});
