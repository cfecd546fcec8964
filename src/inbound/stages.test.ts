import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../history/explain.ts";
import { refuse } from "../policy/decision.ts";
import type { Stage } from "../policy/stage.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";

test("a stage may refuse at every moment of a session, at once or later, and each refusal is logged once", async () => {
  const names = ["connect", "hello", "mail", "recipient", "data", "header", "content"] as const;
  const session = ["session-refused", "session-refused", "mail-refused", "recipient-refused"];
  const events = [...session, "content-refused", "content-refused", "content-refused"];
  const content = "Subject: x\r\n\r\nhello\r\n.";
  for (const later of [false, true]) {
    for (const [index, moment] of names.entries()) {
      const refusal = refuse("client-message-rate", { limit: 1 });
      const answer = later ? Promise.resolve(refusal) : refusal;
      const stage: Stage = { rule: `test-${moment}`, [moment]: () => answer };
      await using server = await ReceivingServer.open({ stages: [stage] });
      const client = await server.dial("mx");
      const said: string[] = [await client.reply()];
      const lines = ["EHLO c.test", "MAIL FROM:<s@x.test>", "RCPT TO:<ann@example.org>", "DATA", content];
      // The last two are both asked about the content.
      for (const line of lines.slice(0, moment === "content" ? index - 1 : index)) {
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

test("a stage may put fields on top, mark a message as junk, and hold it for all its recipients", async () => {
  const field = "X-Filter: one, two\r\n";
  const stages: readonly Stage[] = [
    {
      rule: "filter",
      header: ({ header }) =>
        header.all("subject").length === 0
          ? undefined
          : { verdict: "accept", reason: "sender-checked", changes: [{ kind: "add-field", field }] },
      content: ({ sender }) => {
        assert.equal(sender, undefined, "nobody asks who sent it here");
        const held = { kind: "hold", by: "filter", reason: "odd" } as const;
        return { verdict: "accept", reason: "sender-checked", changes: [{ kind: "quarantine" }, held] };
      },
    },
  ];
  await using server = await ReceivingServer.open({ stages });
  const client = await server.client("mx");
  await client.envelope("<s@x.test>", "<ann@example.org>", "<bob@example.org>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  const { message, recipients } = await server.onlyMessage();
  assert.ok(message.headerBlock.startsWith(`${field}X-Spam-Flag: YES\r\nReceived: `), message.headerBlock);
  assert.equal(message.junk, true);
  assert.deepEqual(
    recipients.map(({ state, held }) => [state, held?.by, held?.reason]),
    [
      ["held", "filter", "odd"],
      ["held", "filter", "odd"],
    ],
  );
});
