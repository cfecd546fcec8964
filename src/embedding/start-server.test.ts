/** A server in this process: its handler's answers, and settings that are wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../config/config-problem.ts";
import { temporaryFolder } from "../node/files/temporary-folder.ts";
import { silentLog } from "../ports/log.ts";
import { SendError, sendMail } from "./smtp-client.ts";
import { defer, type MessageHandler, type ReceivedMessage, refuse, startServer } from "./start-server.ts";

async function start(folder: string, onMessage: MessageHandler) {
  return await startServer(
    {
      hostname: "mail.example.org",
      data_dir: "data",
      listener: [{ kind: "mx", listen: "127.0.0.1:0" }],
      domain: [{ name: "example.org", recipients: "any" }],
      admin: { listen: "127.0.0.1:0" },
      queue: { retry: ["1s"] },
    },
    { folder, log: silentLog, onMessage },
  );
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
  assert.deepEqual(
    calls.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
  assert.deepEqual(calls[0]?.envelope, { from: "", to: mail.to });
});

test("a refusal is for good: the handler is not asked again, and a local sender gets a report", async () => {
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

test("wrong settings are told all at once, and nothing stays open", async () => {
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
