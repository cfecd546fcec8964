/** 20,000 messages by smtp-source through our relay: all arrive, none twice, octet for octet below the trace fields. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { belowTrace } from "./support/messages.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { freePort } from "./support/free-port.ts";
import { runProgram, until } from "./support/program.ts";
import { startSink } from "./support/sink.ts";

const messages = 20_000;

test("20,000 messages through the relay arrive once each and unchanged", async () => {
  const bodies = new Set<string>();
  await using sink = await startSink((content) => {
    // smtp-source writes the time and its process id into the header; the rest is the same in all.
    const text = belowTrace(content).toString("latin1");
    bodies.add(text.replace(/^(?:(?:From|To|Date|Message-Id|Subject):[^\r]*\r\n)+/i, ""));
  });
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
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const load = ["-s", "20", "-d", "-N", "-l", "4096", "-m", String(messages)];
  const sent = await runProgram("smtp-source", [
    ...load,
    "-f",
    "ann@sender.test",
    "-t",
    "box@sink.test",
    `127.0.0.1:${port}`,
  ]);
  assert.equal(sent.status, 0, sent.output);
  await until("all messages at the sink", () => sink.seen.size >= messages, server.program, 240);
  await server.program.stop();
  assert.equal(sink.seen.size, messages);
  assert.deepEqual(
    [...sink.seen.values()].filter((times) => times !== 1),
    [],
  );
  assert.equal(bodies.size, 1);
});
