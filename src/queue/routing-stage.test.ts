/** Recipients whose routes are being looked up: handed on together, and taken back whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteResult, Router } from "../route/router.ts";
import type { ClaimedMessage } from "../spool/spool.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { newClaim } from "./leases.ts";
import { type RoutingOptions, RoutingStage } from "./routing-stage.ts";

const failed: RouteResult = { kind: "deferred", status: "4.4.3", owner: "remote-trouble", reason: "no answer" };

/** Answers for a domain when the test says so. */
function stage() {
  const clock = new ManualClock();
  const answers = new Map<string, (result: RouteResult) => void>();
  const router: Router = {
    route: ({ domain }) => new Promise((resolve) => answers.set(domain, resolve)),
  };
  const dispatched: string[][] = [];
  const counted: string[] = [];
  const space: RoutingOptions["space"] = {
    awaitRoutes: (_, some) => counted.push(...some.map(({ domain }) => domain)),
    endRoutes: (_, some) => some.forEach(({ domain }) => counted.splice(counted.indexOf(domain), 1)),
  };
  const routing = new RoutingStage({ router, clock, space }, (_, batch) => {
    dispatched.push(batch.map(({ recipient }) => recipient.domain));
  });
  const recipients = ["a.test", "b.test", "c.test"].map((domain) => ({ domain, address: `user@${domain}` }));
  // Routing looks at nothing else of a message or recipient.
  const claim = newClaim({ message: { facts: {} }, token: 1, recipients } as unknown as ClaimedMessage, false);
  routing.begin(claim, claim.routing);
  const answer = async (domain: string) => {
    answers.get(domain)?.(failed);
    await settle();
  };
  return { clock, routing, claim, counted, dispatched, answer };
}

test("a route that takes long holds up the others for two seconds, and comes after them", async () => {
  const { clock, counted, dispatched, answer } = stage();
  await answer("a.test");
  await answer("b.test");
  assert.deepEqual(dispatched, []);
  await clock.advance(2000);
  assert.deepEqual(counted, ["c.test"]);
  await answer("c.test");
  assert.deepEqual(dispatched, [["a.test", "b.test"], ["c.test"]]);
  assert.equal(clock.pendingTimers, 0);
});

test("found by simulation: what is taken back while a slow look-up is waited for leaves no timer, and later answers none", async () => {
  const { clock, routing, claim, counted, dispatched, answer } = stage();
  await answer("a.test");
  assert.equal(clock.pendingTimers, 1);
  assert.deepEqual(
    routing.takeBack(claim).map(({ domain }) => domain),
    ["a.test", "b.test", "c.test"],
  );
  assert.equal(clock.pendingTimers, 0);
  await answer("b.test");
  assert.equal(clock.pendingTimers, 0);
  await answer("c.test");
  assert.deepEqual(dispatched, []);
  assert.deepEqual(counted, []);
});

test("OPT-012: REQUIRETLS is asked of the route, and TLS-Required: No then counts for nothing", async () => {
  const asked: unknown[] = [];
  const router: Router = {
    route: ({ tlsOptional, tlsRequired }) => {
      asked.push({ tlsOptional, tlsRequired });
      return Promise.resolve(failed);
    },
  };
  const space = { awaitRoutes: () => undefined, endRoutes: () => undefined };
  const routing = new RoutingStage({ router, clock: new ManualClock(), space }, () => undefined);
  const facts = { tlsOptional: true };
  for (const message of [
    { facts, reversePath: "a@b.test" },
    { facts, reversePath: "a@b.test", requireTls: true },
    // A report goes as other mail does where the way back lacks REQUIRETLS.
    { facts, reversePath: "", requireTls: true },
  ]) {
    const recipients = [{ domain: "c.test", address: "user@c.test" }];
    const claim = newClaim({ message, token: 1, recipients } as unknown as ClaimedMessage, false);
    routing.begin(claim, claim.routing);
    await settle();
  }
  assert.deepEqual(asked, [
    { tlsOptional: true, tlsRequired: undefined },
    { tlsOptional: undefined, tlsRequired: true },
    { tlsOptional: undefined, tlsRequired: undefined },
  ]);
});
