/** Who may begin when slots are few: nobody takes them all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NextHop } from "../route/next-hop.ts";
import { hopHost } from "../testing/hop-hosts.ts";
import { QueueFixture, ScriptedAgent, smtpHop } from "../testing/queue-fixture.ts";

const minute = 60_000;

function hopAt(site: string, addresses: readonly string[]): NextHop {
  return { ...smtpHop(site), hosts: [hopHost(`mx.${site}`, addresses)] } as NextHop;
}

function mailboxes(): NextHop {
  return { kind: "maildir", site: "maildir /mail", path: "/mail/{user}", description: "maildir" };
}

/** Deliveries to other servers hang; those into mailboxes are another agent's. */
function stuckNetwork(settings: ConstructorParameters<typeof QueueFixture>[0] & object) {
  const local = new ScriptedAgent();
  const network = new ScriptedAgent();
  network.blocked = true;
  const agents = {
    smtp: network,
    lmtp: local,
    maildir: local,
    program: local,
    capture: local,
    reports: local,
    discard: local,
  };
  const fixture = new QueueFixture({ ...settings, options: { agents } });
  fixture.router.table.set("ours.test", { kind: "hop", hop: mailboxes() });
  return { fixture, local, network };
}

test("hosts that never answer take no slot of the mailboxes: local mail is delivered at once", async () => {
  const { fixture, local, network } = stuckNetwork({ settings: { deliveries: 8 } });
  fixture.queue.start();
  for (let number = 0; number < 100; number++) await fixture.accept({ to: [`u@d${number}.test`] });
  await fixture.settle();
  assert.equal(network.running, 6, "a quarter is kept for sites that answer");
  await fixture.accept({ to: ["ann@ours.test"] });
  await fixture.settle();
  assert.deepEqual(local.attempted, ["ann@ours.test"]);
});

test("a site that answered of late gets a slot while strangers' hosts hang", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries: 8 } });
  network.blocked = ({ hop }) => hop.site !== "friend.test";
  fixture.queue.start();
  await fixture.accept({ to: ["u@friend.test"] });
  await fixture.settle();
  for (let number = 0; number < 100; number++) await fixture.accept({ to: [`u@d${number}.test`] });
  await fixture.settle();
  await fixture.accept({ to: ["again@friend.test"] });
  await fixture.settle();
  assert.ok(network.attempted.includes("again@friend.test"));
});

test("reports to strangers leave slots to other mail for strangers", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries: 8 } });
  fixture.queue.start();
  for (let number = 0; number < 100; number++) await fixture.accept({ reversePath: "", to: [`u@d${number}.test`] });
  await fixture.settle();
  assert.equal(network.running, 4);
  await fixture.accept({ to: ["u@d1.test", "u@new.test"] });
  await fixture.settle();
  assert.deepEqual(network.attempted.slice(4), ["u@d1.test", "u@new.test"], "also at a site whose reports wait");
});

test("many names at one address are one address: twice what a site gets, and others go on", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries_per_site: 3 } });
  for (let number = 0; number < 25; number++) {
    fixture.router.table.set(`d${number}.test`, { kind: "hop", hop: hopAt(`d${number}.test`, ["192.0.2.66"]) });
  }
  fixture.queue.start();
  for (let number = 0; number < 100; number++) await fixture.accept({ to: [`u@d${number % 25}.test`] });
  await fixture.settle();
  assert.equal(network.running, 6);
  await fixture.accept({ to: ["u@elsewhere.test"] });
  await fixture.settle();
  assert.equal(network.running, 7);
  network.blocked = false;
  network.unblock();
  await fixture.advance(minute);
  assert.equal(network.jobs.length, 101, "nothing waits for ever");
  assert.equal(fixture.queue.stats().ready, 0);
});

test("a delivery that goes on at another address counts there", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries_per_site: 1 } });
  for (let number = 0; number < 9; number++) {
    const addresses = [`192.0.2.${number}`, "192.0.2.66"];
    fixture.router.table.set(`d${number}.test`, { kind: "hop", hop: hopAt(`d${number}.test`, addresses) });
  }
  fixture.queue.start();
  for (let number = 0; number < 9; number++) await fixture.accept({ to: [`u@d${number}.test`] });
  await fixture.settle();
  const allowed = network.jobs.map(({ mayConnect }) => mayConnect?.("192.0.2.66"));
  assert.deepEqual(allowed, [true, true, ...Array.from({ length: 7 }, () => false)]);
});

test("connections may wait idle at an address where no delivery needs their place", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries_per_site: 2 } });
  fixture.router.table.set("d.test", { kind: "hop", hop: hopAt("d.test", ["192.0.2.66"]) });
  fixture.queue.start();
  await fixture.accept({ to: ["u@d.test"] });
  await fixture.settle();
  const [job] = network.jobs;
  assert.equal(job?.idleMax?.("192.0.2.66"), 3);
  assert.equal(job?.idleMax?.("192.0.2.67"), 4);
  await fixture.accept({ to: ["v@d.test"] });
  await fixture.settle();
  assert.equal(job?.idleMax?.("192.0.2.66"), 2);
});

test("two deliveries at a time are under way for one mailbox: one that hangs holds up no other", async () => {
  const { fixture, local } = stuckNetwork({});
  local.blocked = ({ recipients }) => recipients.some(({ address }) => address.startsWith("slow"));
  fixture.queue.start();
  for (let number = 0; number < 40; number++) await fixture.accept({ to: [`slow+tag${number}@ours.test`] });
  await fixture.accept({ to: ["ann@ours.test", "slow@ours.test", "bob@ours.test"] });
  await fixture.settle();
  assert.equal(local.running, 2);
  assert.deepEqual(local.attempted.slice(2), ["ann@ours.test", "bob@ours.test"]);
  local.blocked = false;
  local.unblock();
  await fixture.advance(minute);
  assert.equal(local.jobs.length, 43);
});

test("who waits for a slot gets the next one, though the site that had it has more to send", async () => {
  const { fixture, network } = stuckNetwork({ settings: { deliveries: 1, deliveries_per_site: 1 } });
  fixture.queue.start();
  for (let number = 0; number < 20; number++) await fixture.accept({ to: [`u${number}@busy.test`] });
  await fixture.accept({ to: ["u@other.test"] });
  await fixture.settle();
  for (let turn = 0; turn < 2; turn++) {
    network.unblock();
    await fixture.settle();
  }
  assert.ok(network.attempted.slice(0, 3).includes("u@other.test"), network.attempted.join(" "));
});
