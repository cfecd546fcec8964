import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../address/mailbox-text.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { refuse } from "./decision.ts";
import { PolicyChain } from "./policy-chain.ts";
import type { MailFacts, Stage } from "./stage.ts";

const facts: MailFacts = {
  client: { listener: "mx", address: "192.0.2.1", relayNetwork: false },
  development: false,
  reversePath: parseMailbox("s@x.test") ?? null,
  size: 0,
};

function stage(rule: string, asked: string[], answer: ReturnType<NonNullable<Stage["mail"]>>): Stage {
  return {
    rule,
    mail: () => {
      asked.push(rule);
      return answer;
    },
  };
}

const tooMany = refuse("client-message-rate", { limit: 5 });

test("stages are asked in their order until one refuses, and that is logged once with all that it was decided from", () => {
  const asked: string[] = [];
  const chain = new PolicyChain(
    [
      stage("first", asked, undefined),
      { rule: "elsewhere", connect: () => refuse("too-many-connections", {}) },
      stage("second", asked, tooMany),
      stage("third", asked, refuse("login-needed", {})),
    ],
    (setting) => `posthaste.toml:${setting.length}`,
  );
  const log = new CollectingLog();
  assert.deepEqual(chain.ask("mail", facts, { log }), { verdict: "refuse", refusal: tooMany });
  assert.deepEqual(asked, ["first", "second"]);
  assert.deepEqual(log.of("mail-refused"), [
    {
      client: "192.0.2.1",
      from: "s@x.test",
      reason: "client-message-rate",
      rule: "second",
      setting: "limits.client_message_rate",
      setting_at: "posthaste.toml:26",
      inputs: { limit: 5 },
      reply: 450,
    },
  ]);
});

test("the first reason to accept is kept with its policy and its place, changes of all stages add up", () => {
  const hold = { kind: "hold", by: "hooks", reason: "to be looked at" } as const;
  const chain = new PolicyChain(
    [
      stage("first", [], { verdict: "accept", reason: "relay-network", setting: "relay.networks", changes: [hold] }),
      stage("second", [], { verdict: "accept", reason: "logged-in", changes: [hold] }),
    ],
    () => "default",
  );
  assert.deepEqual(chain.ask("mail", facts, { log: new CollectingLog() }), {
    verdict: "proceed",
    acceptance: {
      verdict: "accept",
      reason: "relay-network",
      setting: "relay.networks",
      rule: "first",
      settingAt: "default",
    },
    changes: [hold, hold],
  });
});

test("a stage may answer later; nobody is told of a refusal once the client has gone", async () => {
  for (const isGone of [false, true]) {
    const asked: string[] = [];
    const chain = new PolicyChain([
      stage("dns", asked, Promise.resolve(undefined)),
      stage("later", asked, Promise.resolve(tooMany)),
      stage("never", asked, undefined),
    ]);
    const log = new CollectingLog();
    const ruling = await chain.ask("mail", facts, { log, isGone: () => isGone });
    assert.equal(ruling.verdict, "refuse");
    assert.deepEqual(asked, ["dns", "later"]);
    assert.equal(log.of("mail-refused").length, isGone ? 0 : 1);
  }
});

test("where no stage has anything to say, mail proceeds at once, and a reload changes where settings stand", () => {
  const chain = new PolicyChain([{ rule: "limits", mail: ({ size }) => (size > 9 ? tooMany : undefined) }]);
  const log = new CollectingLog();
  assert.deepEqual(chain.ask("mail", facts, { log }), { verdict: "proceed", changes: [] });
  chain.reconfigure(() => "other.toml:7");
  void chain.ask("mail", { ...facts, size: 10 }, { log });
  assert.equal(log.of("mail-refused")[0]?.["setting_at"], "other.toml:7");
});
