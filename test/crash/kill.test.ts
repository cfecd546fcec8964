/**
 * The promise behind 250, on the real operating system: under load the server is killed (SIGKILL) at a random moment and
 * started again, many times over the same data. Every message answered 250 reaches the next hop; a second copy is
 * seen only of what was in flight at a kill.
 *
 *   npm run test:crash                      25 rounds
 *   CRASH_ROUNDS=200 npm run test:crash     as many as you like
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync } from "node:fs";
import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Folder } from "../interop/support/folder.ts";
import { startPosthaste } from "../interop/support/posthaste.ts";
import { freePort } from "../interop/support/free-port.ts";
import { until } from "../interop/support/program.ts";
import { startSink } from "../interop/support/sink.ts";

const rounds = Number(process.env["CRASH_ROUNDS"] ?? 25);
const sessions = 20;

/** Sends one message after the other, each to a recipient of its own, until the connection is lost. */
function load(port: number, nextRecipient: () => string, acknowledged: (recipient: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let recipient = "";
    let text = "";
    const content = `Subject: crash\r\n\r\n${"0123456789".repeat(200)}\r\n.\r\n`;
    const begin = () => {
      recipient = nextRecipient();
      socket.write(`MAIL FROM:<ann@sender.test>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`);
    };
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        if (line.startsWith("220 ")) socket.write("EHLO sender.test\r\n");
        else if (line.startsWith("354 ")) socket.write(content);
        else if (line.includes("queued as")) {
          acknowledged(recipient);
          begin();
        } else if (/^250 [^2]/.test(line)) begin();
        else if (/^[45]/.test(line)) socket.destroy();
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}

/** Recipients that a process had claimed when it was killed, read from a copy: only of these may a second copy exist. */
function claimedIn(dataFolder: string): readonly string[] {
  using copy = new Folder();
  for (const name of ["spool.db", "spool.db-wal"]) {
    if (existsSync(`${dataFolder}/${name}`)) copyFileSync(`${dataFolder}/${name}`, copy.file(name));
  }
  const database = new DatabaseSync(copy.file("spool.db"));
  try {
    const claimed = 1;
    const rows = database.prepare("SELECT address FROM recipients WHERE state = ?").all(claimed);
    return rows.map(({ address }) => String(address));
  } finally {
    database.close();
  }
}

test(`${rounds} kills under load lose nothing that was answered 250`, async (t) => {
  await using sink = await startSink();
  const port = await freePort();
  await using server = await startPosthaste({
    ports: [port],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [relay]
      networks = ["127.0.0.0/8"]
      [[route]]
      domain = "*"
      via = "relay"
      host = "127.0.0.1:${sink.port}"
      [queue]
      retry = ["1s"]
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const acknowledged = new Set<string>();
  const inFlight = new Set<string>();
  let number = 0;
  for (let round = 1; round <= rounds; round++) {
    const done = Promise.all(
      Array.from({ length: sessions }, () =>
        load(
          port,
          () => `r${++number}@sink.test`,
          (recipient) => acknowledged.add(recipient),
        ),
      ),
    );
    const before = acknowledged.size;
    await until("some acknowledgements", () => acknowledged.size > before + 20, server.program);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
    await server.program.stop("SIGKILL");
    await done;
    for (const recipient of claimedIn(server.dataFolder)) inFlight.add(recipient);
    await server.restart();
  }
  await until(
    "the queue to drain",
    () => [...acknowledged].every((recipient) => sink.seen.has(recipient)),
    server.program,
    120,
  );
  const twice = [...sink.seen].filter(([, times]) => times > 1);
  assert.deepEqual(
    twice.filter(([recipient]) => !inFlight.has(recipient)),
    [],
    "a second copy of something that was not in flight",
  );
  assert.ok(twice.every(([, times]) => times <= 1 + rounds));
  t.diagnostic(
    `${rounds} kills, ${acknowledged.size} acknowledged, 0 lost, ${twice.length} arrived twice of ${inFlight.size} in flight at a kill`,
  );
});
