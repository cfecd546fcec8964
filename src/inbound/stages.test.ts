import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../history/explain.ts";
import { refuse } from "../policy/decision.ts";
import type { Stage } from "../policy/stage.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";

test("a stage may refuse at every moment of a session, at once or later, and each refusal is logged once", async () => {
  const names = ["connect", "hello", "mail", "recipient", "data"] as const;
  const events = ["session-refused", "session-refused", "mail-refused", "recipient-refused", "content-refused"];
  for (const later of [false, true]) {
    for (const [index, moment] of names.entries()) {
      const refusal = refuse("client-message-rate", { limit: 1 });
      const answer = later ? Promise.resolve(refusal) : refusal;
      const stage: Stage = { rule: `test-${moment}`, [moment]: () => answer };
      await using server = await ReceivingServer.open({ stages: [stage] });
      const client = await server.dial("mx");
      const said: string[] = [await client.reply()];
      for (const line of ["EHLO c.test", "MAIL FROM:<s@x.test>", "RCPT TO:<ann@example.org>", "DATA"].slice(0, index)) {
        client.send(`${line}\r\n`);
        said.push(await client.reply());
      }
      assert.match(said.at(-1) ?? "", /^450 4\.7\.1 /, moment);
      const logged = server.log.events.filter(({ name }) => name.endsWith("-refused"));
      assert.deepEqual(
        logged.map(({ name, fields }) => [name, fields["rule"], fields["setting"]]),
        [[events[index], `test-${moment}`, "limits.client_message_rate"]],
      );
    }
  }
});

test("a stage may hold a recipient, or send its mail elsewhere; explain tells why it was taken", async () => {
  const hold: Stage = {
    rule: "hooks",
    recipient: ({ forwardPath }) =>
      forwardPath.localPart === "bob"
        ? {
            verdict: "accept",
            reason: "local-user",
            setting: "user bob@example.org",
            changes: [{ kind: "hold", by: "hooks", reason: "to be looked at" }],
          }
        : undefined,
  };
  await using server = await ReceivingServer.open({ stages: [hold] });
  const client = await server.client("mx");
  await client.envelope("<s@x.test>", "<ann@example.org>", "<bob@example.org>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  const { message } = await server.onlyMessage();
  const explanation = await explain(server.spool, message.id, { now: server.clock.now(), expireMs: 1000 });
  assert.deepEqual(
    explanation?.recipients.map(({ state, accepted }) => [state, accepted?.rule, accepted?.setting]),
    [
      ["scheduled", "recipient-existence", "user ann@example.org"],
      ["held", "hooks", "user bob@example.org"],
    ],
  );
  assert.deepEqual(explanation.timeline[0]?.details, [
    "ann@example.org was accepted because it is the address of a user here (policy recipient-existence; user ann@example.org).",
    "bob@example.org was accepted because it is the address of a user here (policy hooks; user bob@example.org).",
  ]);
});

test("a stage that accepts a recipient does not spare it the stages behind it", async () => {
  const stage: Stage = {
    rule: "forgetful",
    recipient: () => ({ verdict: "accept", reason: "logged-in" }),
  };
  await using server = await ReceivingServer.open({ stages: [stage] });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.test>", "250");
  await client.expect("RCPT TO:<u@elsewhere.test>", "550 5.7.1");
  await settle();
  assert.equal(server.log.of("recipient-refused")[0]?.["rule"], "relay-permission");
});
