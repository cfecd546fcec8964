/**
 * Power loss, on what real processes really did to their disk: a tracer records every write, name and sync, and when
 * each acknowledgement left. For cuts all over that record, the disk is made again as it may then have been: what was
 * synced is there, of anything later any part. Each is opened as it is, and must hold all that had been acknowledged,
 * whole, and nothing in part.
 *
 *   npm run test:crash                      some hundred cuts
 *   POWER_CUTS=5000 npm run test:crash      as many as you like
 *   POWER_SEED=7                            other cuts, other losses
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createServer } from "../../src/server/create-server.ts";
import { settingsSchema } from "../../src/config/settings-schema.ts";
import { lockDataDir } from "../../src/node/files/data-dir-lock.ts";
import { serveHttp } from "../../src/node/http/http-server.ts";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { contentOf, draft, put } from "../contract/spool-fixture.ts";
import { sendAll } from "../interop/support/client.ts";
import { Folder } from "../interop/support/folder.ts";
import { type TestMessage, testMessage } from "../interop/support/messages.ts";
import { startPosthaste } from "../interop/support/posthaste.ts";
import { freePort } from "../interop/support/free-port.ts";
import { type Recording, record, replay } from "./power/replay.ts";
import { SpoolExpectations } from "./power/spool-expectations.ts";
import { readTrace, type Step, tracer } from "./power/trace.ts";

const cuts = Number(process.env["POWER_CUTS"] ?? 120);
const seed = Number(process.env["POWER_SEED"] ?? 1);
/** A server starts for each, so there are fewer. */
const serverCuts = Math.ceil(cuts / 6);

const workload = fileURLToPath(new URL("power/spool-workload.ts", import.meta.url));
const traces = new Folder();
let spoolRecording: Recording;

before(async () => {
  const root = traces.file("spool");
  mkdirSync(root);
  const killed = await record(root, traces.file("first-trace"), [workload, root, "0", "110"]);
  const next = await record(root, traces.file("next-trace"), [workload, root, "1"]);
  spoolRecording = { root, steps: [...killed.steps, ...next.steps] };
});
after(() => traces[Symbol.dispose]());

/** Opens what is left, as it is, and compares it with what had been told. */
function spoolChecks() {
  const expectations = new SpoolExpectations();
  return {
    expectations,
    hear: (said: string) => expectations.hear(said),
    check: async (directory: string) => {
      const log = new CollectingLog();
      await using spool = await openSqliteSpool({ directory, clock: new ManualClock(), files: new NodeFiles(), log });
      await expectations.check(spool, directory);
      await put(spool, draft(["after@the.test"]));
    },
  };
}

test(`${cuts} power losses of a spool lose nothing that was told durable, and keep nothing in part`, async (t) => {
  const { expectations, ...checks } = spoolChecks();
  const { losses, atStake } = await replay(spoolRecording, { cuts, seed, ...checks });
  const { length } = spoolRecording.steps;
  t.diagnostic(
    `${losses} losses of the spool over ${length} steps, ${expectations.told} commits told, ${atStake} unsynced changes at stake, 0 lost`,
  );
});

/** That the test would notice: the same record, as if one kind of sync had never been asked for. */
for (const [what, path] of [
  ["the log", /-wal$/],
  ["the database", /spool\.db$/],
  ["large contents", /\/incoming\/[^/]+$/],
  ["the folders of large contents", /\/content\/..$/],
  ["the data directory", /\/spool$/],
] as const) {
  test(`power losses would be noticed if ${what} were not synced`, async () => {
    const steps = spoolRecording.steps.filter(({ call }) => call.kind !== "sync" || !path.test(call.path));
    assert.ok(steps.length < spoolRecording.steps.length);
    const { hear, check } = spoolChecks();
    await assert.rejects(replay({ ...spoolRecording, steps }, { cuts: 140, seed, hear, check }), /POWER_SEED/);
  });
}

const configuration = `
  [[listener]]
  kind = "mx"
  listen = "127.0.0.1:@PORT@"
  [[domain]]
  name = "local.test"
  [[user]]
  address = "box@local.test"
  [relay]
  networks = ["127.0.0.0/8"]
  [[route]]
  domain = "*"
  via = "relay"
  host = "127.0.0.1:1"
  [admin]
  listen = "127.0.0.1:@ADMIN@"
  [limits]
  free_space = "0"
`;

/**
 * Three lives of a server under the tracer, with mail small and large into a mailbox, and to where nobody answers. The
 * first ends by SIGKILL with mail on its way, so the second begins with a recovery.
 */
async function recordServer(): Promise<{ readonly recording: Recording; readonly sent: readonly TestMessage[] }> {
  const port = await freePort();
  const text = configuration.replace("@PORT@", `${port}`).replace("@ADMIN@", `${await freePort()}`);
  const sent: TestMessage[] = [];
  const trace = traces.file("server-trace");
  const steps: Step[] = [];
  await using server = await startPosthaste({ ports: [port], wrap: tracer(trace), configuration: text });
  for (let life = 0; life < 3; life++) {
    if (life > 0) await server.restart();
    const batch = (count: number, body: string) => Array.from({ length: count }, () => testMessage(body));
    const local = [...batch(12, "into a mailbox\r\n"), ...batch(1, "much for a mailbox\r\n".repeat(16_000))];
    const remote = [...batch(8, "for elsewhere\r\n"), ...batch(1, "much for elsewhere\r\n".repeat(16_000))];
    sent.push(...local, ...remote);
    const sending = [
      sendAll(port, { from: "ann@sender.test", to: "box@local.test" }, local),
      sendAll(port, { from: "ann@sender.test", to: "far@away.test" }, remote),
    ];
    if (life === 0) {
      await Promise.race(sending);
      await server.program.stop("SIGKILL");
      await Promise.allSettled(sending);
    } else {
      await Promise.all(sending);
      await server.program.stop();
    }
    steps.push(...(await readTrace(trace, server.dataFolder)));
  }
  return { recording: { root: server.dataFolder, steps }, sent };
}

test(`${serverCuts} power losses of a whole server: it starts again, and all that was answered 250 arrives`, async (t) => {
  const { recording, sent } = await recordServer();
  const acknowledged: string[] = [];
  const contents = new Map(sent.map((message) => [message.token, message.content]));
  const hear = (said: string) => {
    for (const [, id = ""] of said.matchAll(/^250 [^\n]*queued as ([0-9A-Z]{12})/gm)) acknowledged.push(id);
  };
  const check = async (folder: string) => {
    const clock = new SystemClock();
    const files = new NodeFiles();
    const log = new CollectingLog();
    const settings = settingsSchema.parse({
      hostname: "posthaste.test",
      data_dir: folder,
      listener: [{ kind: "mx", listen: "127.0.0.1:0" }],
      domain: [{ name: "local.test" }],
      user: [{ address: "box@local.test" }],
      route: [{ domain: "*", via: "relay", host: "127.0.0.1:1" }],
      admin: { listen: "127.0.0.1:0" },
      limits: { free_space: "0" },
    });
    const openSpool = (directory: string) => openSqliteSpool({ directory, clock, files, log });
    {
      const server = await createServer(
        { settings, mode: "production" },
        {
          ...{ version: "0", clock, files, log, openSpool, serveHttp },
          random: new SystemRandom(),
          crypto: new ThreadPoolCrypto(clock),
          network: new NodeNetwork(),
          resolver: new StaticResolver(),
          interfaceAddresses: () => ["127.0.0.1"],
          lock: lockDataDir,
        },
      );
      await server.stop();
    }
    // What the stop cut short waits in the spool; all else is in the mailbox.
    await using spool = await openSpool(folder);
    assert.deepEqual((await spool.checked).damaged, []);
    const mailbox = mailboxOf(folder);
    for (const id of acknowledged) {
      const found = await spool.message(id);
      assert.ok(found, `${id} was answered 250`);
      const { message, recipients } = found;
      const expected = contents.get(message.facts.subject ?? "") ?? assert.fail(`${id} is none of ours`);
      const delivered = recipients.every(({ state }) => state === "delivered");
      const stored = delivered ? mailbox.get(id) : await contentOf(spool, id);
      // A mailbox has line feeds, and our own fields on top.
      const plain = (bytes: Buffer | undefined) =>
        (bytes ?? Buffer.alloc(0)).toString("latin1").replaceAll("\r\n", "\n");
      assert.ok(plain(stored).endsWith(plain(expected)), `${id} is ${delivered ? "in the mailbox" : "queued"}, whole`);
    }
  };
  const { losses, atStake } = await replay(recording, { cuts: serverCuts, seed, hear, check });
  assert.ok(acknowledged.length > sent.length / 2, `${acknowledged.length} of ${sent.length}`);
  t.diagnostic(
    `${losses} losses of a server over ${recording.steps.length} steps, ${acknowledged.length} answered 250, ${atStake} unsynced changes at stake, 0 lost`,
  );
});

/** Its messages by queue id, which is in their files' names. */
function mailboxOf(folder: string): ReadonlyMap<string, Buffer> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.parentPath.endsWith("/new"),
  );
  return new Map(
    files.map(({ name, parentPath }) => [
      /\.([0-9A-Z]{12})_/.exec(name)?.[1] ?? "",
      readFileSync(`${parentPath}/${name}`),
    ]),
  );
}
