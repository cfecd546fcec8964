/** A server in this process: its handler's answers, and settings that are wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../config/config-problem.ts";
import type { SettingsInput } from "../config/settings-schema.ts";
import { temporaryFolder } from "../node/files/temporary-folder.ts";
import { type Log, silentLog } from "../ports/log.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { SendError, sendMail } from "./smtp-client.ts";
import { defer, type MessageHandler, type ReceivedMessage, refuse, startServer } from "./start-server.ts";

const settings: SettingsInput = {
  hostname: "mail.example.org",
  data_dir: "data",
  listener: [{ kind: "mx", listen: "127.0.0.1:0" }],
  domain: [{ name: "example.org", recipients: "any" }],
  admin: { listen: "127.0.0.1:0" },
  queue: { retry: ["1s"] },
};

async function start(folder: string, onMessage: MessageHandler, log: Log = silentLog) {
  return await startServer(settings, { folder, log, onMessage });
}

test("a handler gets accepted mail, again after it deferred or threw, until it takes it", async () => {
  await using folder = await temporaryFolder();
  const calls: ReceivedMessage[] = [];
  const taken = Promise.withResolvers<string>();
  await using server = await start(folder.path, async (message) => {
    calls.push(message);
    if (message.attempt === 1) return defer("later");
    if (message.attempt === 2) throw new Error("broken");
    taken.resolve((await message.parsed()).text);
    return undefined;
  });
  const mail = { from: "", to: ["a@example.org", "b@example.org"], subject: "One", text: "Hello" };
  const { accepted, reply } = await sendMail(server.address("mx"), mail);
  assert.equal((await taken.promise).trim(), "Hello");
  assert.deepEqual(accepted, mail.to);
  assert.ok(calls.every(({ id }) => reply.endsWith(id)));
  // Each recipient has its own waits, so that a second and a third attempt may be two calls.
  assert.deepEqual(new Set(calls.map(({ attempt }) => attempt)), new Set([1, 2, 3]));
  assert.deepEqual(calls[0]?.envelope, { from: "", to: mail.to });
});

test("a refusal is final: the handler is not called again, and a local sender gets a report", async () => {
  await using folder = await temporaryFolder();
  const reported = Promise.withResolvers<string>();
  const asked: string[] = [];
  await using server = await start(folder.path, async ({ envelope, parsed }) => {
    asked.push(envelope.from);
    if (envelope.from !== "") return refuse("Not here.", "5.7.1");
    reported.resolve((await parsed()).text);
    return undefined;
  });
  const mail = { from: "ann@example.org", to: "bob@example.org", subject: "Two", text: "Hello" };
  await sendMail(server.address(), mail);
  assert.match(await reported.promise, /Not here\./);
  assert.deepEqual(asked, ["ann@example.org", ""]);
});

test("what is no answer is a failure of the program, and the message comes again", async () => {
  await using folder = await temporaryFolder();
  const log = new CollectingLog();
  const taken = Promise.withResolvers<void>();
  const answers = [1, { kind: "refused" }];
  const handler = () => answers.shift() ?? taken.resolve();
  await using server = await start(folder.path, handler as MessageHandler, log);
  await sendMail(server.address(), { from: "", to: "bob@example.org", subject: "Three", text: "Hello" });
  await taken.promise;
  const failures = log.of("program-failed").map(({ error }) => error);
  const said = "the handler returned neither nothing, refuse() nor defer()";
  assert.deepEqual(failures, [said, said]);
});

test("settings that a reload refused are not read again, and reloads at once do not read each other's", async () => {
  await using folder = await temporaryFolder();
  await using server = await start(folder.path, () => undefined);
  const bad: SettingsInput = { ...settings, hostname: "not a name" };
  const results = await Promise.all([server.reload(bad), server.reload(settings), server.reload(bad), server.reload()]);
  assert.deepEqual(
    results.map(({ ok }) => ok),
    [false, true, false, true],
  );
});

test("an error about a missing address names the kind of listener, if one was asked for", async () => {
  await using folder = await temporaryFolder();
  const socket: SettingsInput = { ...settings, listener: [{ kind: "lmtp", listen: "unix:lmtp.sock" }] };
  await using server = await startServer(socket, { folder: folder.path, log: silentLog });
  assert.throws(() => server.address(), /^Error: no listener has an IP address$/);
  assert.throws(() => server.address("mx"), /^Error: no mx listener has an IP address$/);
});

test("all problems of wrong settings are reported at once, and nothing stays open", async () => {
  await using folder = await temporaryFolder();
  const wrong = { hostname: "not a name", data_dir: "data", listener: [{ kind: "smtp" }] };
  await assert.rejects(startServer(wrong as never, { folder: folder.path }), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(new Set(error.problems.map(({ path }) => path[0])), new Set(["hostname", "listener"]));
    return true;
  });
});

test("a client says what kept a message from everybody", async () => {
  await using folder = await temporaryFolder();
  await using server = await start(folder.path, () => undefined);
  const mail = { from: "ann@elsewhere.test", to: "far@other.test", subject: "Three", text: "Hello" };
  await assert.rejects(sendMail(server.address(), mail), (error: unknown) => {
    assert.ok(error instanceof SendError);
    assert.deepEqual([error.isTemporary, error.refused[0]?.address], [false, "far@other.test"]);
    return true;
  });
  await assert.rejects(sendMail(server.address(), { ...mail, to: "nobody" }), TypeError);
});

test("a program checks passwords itself, and its users send as themselves only", async () => {
  await using folder = await temporaryFolder();
  const log = new CollectingLog();
  const asked: string[] = [];
  const received = Promise.withResolvers<ReceivedMessage>();
  await using server = await startServer(
    { ...settings, listener: [{ kind: "submission", listen: "127.0.0.1:0" }] },
    {
      ...{ folder: folder.path, log },
      onMessage: (message) => received.resolve(message),
      authenticate: async ({ username, password, clientAddress, signal }) => {
        asked.push(`${username} ${clientAddress} ${signal.aborted}`);
        if (password === "broken") throw new Error("no database");
        return password === "right" && "ann@example.org";
      },
    },
  );
  const mail = { from: "ann@example.org", to: "bob@example.org", subject: "Four", text: "Hello" };
  const send = async (password: string, from = mail.from) => {
    const auth = { username: "ann", password };
    return await sendMail({ ...server.address(), tls: "required", auth }, { ...mail, from });
  };
  await assert.rejects(send("wrong"), /535/);
  await assert.rejects(send("broken"), /454/);
  await assert.rejects(send("right", "eve@example.org"), /550/);
  await send("right");
  const { login, signedIn } = (await received.promise).origin;
  assert.deepEqual([login, signedIn?.by], ["ann@example.org", "a password that the program knows"]);
  assert.deepEqual(new Set(asked), new Set(["ann 127.0.0.1 false"]));
  const failures = log.of("login-failed").map(({ reason, error }) => error ?? reason);
  assert.deepEqual(failures, ["unknown-user", "the program: no database"]);
});
