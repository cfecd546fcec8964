/** A transaction whose content is withheld ends with the last RCPT: whatever the server offers, neither DATA nor BDAT leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { standardTimeouts } from "./timeouts.ts";
import { ClientProtocol } from "./protocol.ts";
import type { ClientEvent } from "./event.ts";

const recipients = [{ address: "ann@example.org" }, { address: "bob@example.org" }];
const envelope = { reversePath: "", recipients, body: "7BIT", smtpUtf8: false, size: 2_000 } as const;

/** Says `replies` one after the other, each when something was sent; gives what was sent and told. */
function talk(dialect: "smtp" | "lmtp", ehlo: string, replies: readonly string[]) {
  const core = new ClientProtocol({ dialect, heloName: "our.test", timeouts: standardTimeouts });
  const told: ClientEvent[] = [];
  const hear = (text: string): string => {
    core.receive(Buffer.from(text), 0);
    for (let event = core.nextEvent(); event !== undefined; event = core.nextEvent()) told.push(event);
    return Buffer.from(core.takeOutput() ?? []).toString();
  };
  core.greet(0);
  hear("220 mx.test\r\n");
  core.hello(0);
  hear(ehlo);
  core.takeOutput();
  core.transact({ envelope, content: { kind: "withheld" } }, 0);
  const sent = [Buffer.from(core.takeOutput() ?? []).toString()];
  for (const reply of replies) sent.push(hear(`${reply}\r\n`));
  const [done] = told.filter((event) => event.kind === "transaction-done");
  return { core, sent, results: done?.results ?? [] };
}

const ehlos = {
  "without extensions": "250 mx.test\r\n",
  "with PIPELINING and CHUNKING": "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
};

for (const [name, ehlo] of Object.entries(ehlos)) {
  for (const dialect of ["smtp", "lmtp"] as const) {
    test(`${dialect}, ${name}: each command waits for its answer, and the answer to RCPT is the verdict`, () => {
      const { core, sent, results } = talk(dialect, ehlo, ["250 ok", "250 2.1.5 ann", "550 5.1.1 no bob"]);
      const commands = ["MAIL FROM:<>\r\n", "RCPT TO:<ann@example.org>\r\n", "RCPT TO:<bob@example.org>\r\n", ""];
      assert.deepEqual(sent, commands);
      assert.deepEqual(
        results.map((result) => [result.kind, "reply" in result && result.reply.code]),
        [
          ["accepted", 250],
          ["refused", 550],
        ],
      );
      assert.ok(core.ready);
    });
  }
}

test("MAIL that is refused ends it for all recipients", () => {
  const { sent, results } = talk("smtp", ehlos["without extensions"], ["451 4.3.0 later"]);
  assert.deepEqual(sent, ["MAIL FROM:<>\r\n", ""]);
  assert.deepEqual(
    results.map((result) => [result.kind, "command" in result && result.command]),
    [
      ["refused", "MAIL"],
      ["refused", "MAIL"],
    ],
  );
});

test("RSET goes before the next transaction, since the server still has this one", () => {
  const { core } = talk("smtp", ehlos["without extensions"], ["250 ok", "250 ann", "250 bob"]);
  core.transact({ envelope, content: { kind: "withheld" } }, 0);
  assert.equal(Buffer.from(core.takeOutput() ?? []).toString(), "RSET\r\n");
});

test("a connection that is lost before RCPT is answered gives no verdict, and nothing was sent", () => {
  const { core, results } = talk("smtp", ehlos["without extensions"], ["250 ok"]);
  assert.deepEqual(results, []);
  core.endOfStream(undefined, 0);
  const event = core.nextEvent();
  assert.equal(event?.kind, "transaction-done");
  if (event?.kind !== "transaction-done") return;
  for (const result of event.results) assert.equal(result.kind === "broken" && result.contentSent, false);
});
