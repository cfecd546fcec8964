/** Whose fault it is: messages that break connections must not stop the mail of others to a site that is well. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { agentForAll, QueueFixture, relayed, ScriptedAgent, unreachable } from "../testing/queue-fixture.ts";

const minute = 60_000;
const lost: DeliveryOutcome = {
  kind: "deferred",
  status: "4.4.2",
  owner: "remote-trouble",
  reason: "The connection was lost",
};

/** Recipients named poison… break the connection, before or after MAIL is accepted. */
class FragileAgent extends ScriptedAgent {
  site: "answered" | undefined;

  override async deliver(...given: Parameters<ScriptedAgent["deliver"]>) {
    const { outcomes } = await super.deliver(...given);
    const { site } = this;
    return {
      outcomes: outcomes.map((one) => (one.outcome === lost && site !== undefined ? { ...one, site } : one)),
    };
  }
}

function fragile(site: "answered" | undefined, deliveriesPerSite = 1) {
  const agent = new FragileAgent();
  agent.site = site;
  agent.answer = (_, { address }) => (address.startsWith("poison") ? lost : relayed);
  const agents = agentForAll(agent);
  const fixture = new QueueFixture({ settings: { deliveries_per_site: deliveriesPerSite }, options: { agents } });
  fixture.queue.start();
  return { fixture, agent };
}

test("three messages that break the connection after MAIL do not stop the mail to their site", async () => {
  const { fixture, agent } = fragile("answered");
  for (let number = 0; number < 5; number++) await fixture.accept({ to: [`poison${number}@hub.test`] });
  await fixture.accept({ to: ["ann@hub.test"] });
  await fixture.settle();
  assert.ok(agent.attempted.includes("ann@hub.test"));
  assert.equal(fixture.log.events.filter(({ name }) => name === "site-resting").length, 0);
});

test("where they break it before MAIL, another message finds out whether the site is back, and ends the rest", async () => {
  const { fixture, agent } = fragile(undefined);
  for (let number = 0; number < 3; number++) await fixture.accept({ to: [`poison${number}@hub.test`] });
  await fixture.settle();
  assert.equal(fixture.log.events.filter(({ name }) => name === "site-resting").length, 1);
  await fixture.advance(2 * minute);
  // All wait when the rest is over, the poison first.
  agent.blocked = true;
  await fixture.spool.retry({}, "ann");
  fixture.queue.wake();
  await fixture.settle();
  await fixture.accept({ to: ["bob@hub.test"] });
  await fixture.accept({ to: ["carol@hub.test"] });
  await fixture.settle();
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  const names = agent.attempted.slice(3);
  assert.ok(names.indexOf("bob@hub.test") <= 1, names.join(" "));
  assert.ok(names.includes("carol@hub.test"));
  assert.equal(fixture.log.events.filter(({ name }) => name === "site-recovered").length, 1);
});

test("found by simulation: a delivery that began before the rest, and whose connection then breaks, does not end the rest", async () => {
  const { fixture, agent } = fragile("answered", 2);
  agent.answer = (_, { address }) => (address.startsWith("poison") ? lost : unreachable);
  agent.blocked = ({ recipients }) => recipients[0]?.address.startsWith("poison") === true;
  await fixture.accept({ to: ["poison@hub.test"] });
  await fixture.advance(minute);
  await fixture.accept({ to: ["ann@hub.test"] });
  await fixture.settle();
  assert.equal(fixture.log.events.filter(({ name }) => name === "site-resting").length, 1);
  agent.unblock();
  await fixture.settle();
  assert.equal(fixture.log.events.filter(({ name }) => name === "site-recovered").length, 0);
  // Its next attempt begins after the rest, and breaks in the same way: now that says that the site is back.
  agent.blocked = false;
  await fixture.advance(30 * minute);
  assert.ok(fixture.log.events.some(({ name }) => name === "site-recovered"));
});
