import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { bouncedReply, deferredReply, relayed, unreachable } from "../testing/queue-fixture.ts";
import { SiteHealth, siteVerdict } from "./site-health.ts";

const minute = 60_000;
const normal = 20;
const lost: DeliveryOutcome = {
  kind: "deferred",
  status: "4.4.2",
  owner: "remote-trouble",
  reason: "The connection was lost",
};

test("what outcomes say about a site", () => {
  const cases = [
    [[relayed], "contact"],
    [[deferredReply()], "contact"],
    [[bouncedReply("550 5.7.1 no", "MAIL")], "contact"],
    [[unreachable], "unreachable"],
    [[unreachable, unreachable], "unreachable"],
    [[unreachable, relayed], "earlier-contact"],
    [[lost], "lost"],
    [[lost, unreachable], "lost"],
    [[lost, relayed], "earlier-contact"],
    [[deferredReply("454 4.7.0 not now", "EHLO")], "unreachable"],
    [[deferredReply("421 4.7.0 too many connections", "greeting")], "busy"],
    [[deferredReply("421 4.3.2 closing", "DATA"), relayed], "busy"],
    [[], undefined],
  ] as const;
  for (const [outcomes, expected] of cases) {
    assert.equal(siteVerdict(outcomes.map((outcome) => ({ outcome }))), expected, JSON.stringify(outcomes));
  }
});

test("a connection that breaks after MAIL was accepted counts against the message, not the site", () => {
  assert.equal(siteVerdict([{ outcome: lost, site: "answered" }]), "earlier-contact");
  assert.equal(siteVerdict([{ outcome: unreachable, site: "answered" }]), "earlier-contact", "a backup answered");
  assert.equal(siteVerdict([{ outcome: deferredReply(), site: "answered" }]), "contact", "and answers still");
  assert.equal(siteVerdict([{ outcome: lost, site: "not-asked" }]), undefined);
});

test("rests grow from one minute to a quarter of an hour and stay there; contact ends them", () => {
  const health = new SiteHealth();
  let now = 0;
  const rests: number[] = [];
  for (let round = 0; round < 7; round++) {
    assert.equal(health.record("unreachable", normal, now), "resting");
    const until = health.restingUntilMs(now) ?? now;
    rests.push((until - now) / minute);
    assert.equal(health.limit(normal, until), 1, "one delivery finds out");
    assert.equal(health.restingUntilMs(until), undefined);
    now = until;
  }
  assert.deepEqual(rests, [1, 2, 4, 8, 15, 15, 15]);
  assert.equal(health.record("contact", normal, now), "recovered");
  assert.equal(health.limit(normal, now), normal);
  assert.ok(health.isPlain(now));
});

test("deliveries that were under way when the rest began do not prolong it", () => {
  const health = new SiteHealth();
  health.record("unreachable", normal, 0);
  for (let more = 0; more < 19; more++) assert.equal(health.record("unreachable", normal, 1_000), undefined);
  assert.equal(health.restingUntilMs(1_000), minute);
});

test("a site that just worked is believed: one failed connection is an accident, three in a row are not", () => {
  const health = new SiteHealth();
  health.record("contact", normal, 0);
  assert.equal(health.record("unreachable", normal, 1_000), undefined);
  health.record("contact", normal, 2_000);
  assert.equal(health.record("unreachable", normal, 3_000), undefined);
  assert.equal(health.record("unreachable", normal, 4_000), undefined);
  assert.equal(health.record("unreachable", normal, 5_000), "resting");
});

test("one message that breaks the connection does not make the site rest; three in a row do", () => {
  const health = new SiteHealth();
  assert.equal(health.record("lost", normal, 0), undefined);
  health.record("contact", normal, 1_000);
  assert.equal(health.record("lost", normal, 500_000), undefined);
  assert.equal(health.record("lost", normal, 600_000), undefined);
  assert.equal(health.record("lost", normal, 700_000), "resting");
});

test("421 halves the limit once for many connections, and it comes back by doubling, with a time that is told", () => {
  const health = new SiteHealth();
  assert.equal(health.record("busy", normal, 0), "limited");
  for (let more = 0; more < 19; more++) assert.equal(health.record("busy", normal, 100), undefined);
  assert.equal(health.limit(normal, 100), 10);
  assert.equal(health.record("busy", normal, 20_000), "limited");
  assert.equal(health.limit(normal, 20_000), 5);
  assert.equal(health.limitedUntilMs(normal, 20_000), 20_000 + 5 * minute);
  assert.equal(health.limit(normal, 20_000 + 5 * minute), 10);
  assert.equal(health.limit(normal, 20_000 + 10 * minute), normal);
  assert.equal(health.limitedUntilMs(normal, 20_000 + 10 * minute), undefined);
  assert.ok(health.isPlain(20_000 + 10 * minute));
});

test("421 to the only connection makes the site rest", () => {
  const health = new SiteHealth();
  assert.equal(health.record("busy", 1, 0), "resting");
  assert.equal(health.restingUntilMs(0), minute);
});
