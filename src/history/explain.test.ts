import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { bouncedReply, deferredReply, QueueFixture, relayed } from "../testing/queue-fixture.ts";
import { explain } from "./explain.ts";
import { formatExplanation } from "./format-explanation.ts";
import { durationWords, plain, sizeWords } from "./words.ts";

const expireMs = 5 * 86_400_000;

async function explained(fixture: QueueFixture, id: string) {
  const explanation = await explain(fixture.spool, id, { now: fixture.clock.now(), expireMs });
  assert.ok(explanation);
  return explanation;
}

test("an unknown id has no explanation", async () => {
  const fixture = new QueueFixture();
  assert.equal(await explain(fixture.spool, "000000000000", { now: 0, expireMs }), undefined);
});

test("words of others that end with a full stop end the sentence", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = (_, { address }) =>
    address.startsWith("gone")
      ? { kind: "bounced", status: "5.1.2", owner: "recipient", reason: "The domain there.test does not exist." }
      : deferredReply("451 4.7.1 Greylisted, come again.");
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["gone@there.test", "later@there.test"] });
  await fixture.settle();
  const explanation = await explained(fixture, id);
  const text = JSON.stringify([explanation.recipients, explanation.timeline]);
  assert.match(text, /does not exist\."/);
  assert.match(text, /come again\.\\"( |")/);
  assert.doesNotMatch(text, /\.\.|\.\\"\./);
});

test("each recipient is told with what it waits for and why", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = (_, { address }) => {
    if (address.startsWith("later")) return deferredReply("451 4.7.1 greylisted");
    return address.startsWith("gone") ? bouncedReply() : relayed;
  };
  fixture.queue.start();
  const held = { by: "admin", reason: "to be looked at" };
  const { id } = await fixture.accept({
    to: [
      "ann@there.test",
      "later@there.test",
      "gone@there.test",
      { address: "bob@there.test", domain: "there.test", held },
    ],
    subject: "Hello",
  });
  await fixture.settle();
  const { message, recipients, timeline } = await explained(fixture, id);
  assert.equal(message.received_at, "2026-01-01T00:00:00.000Z");
  assert.equal(message.expires_at, "2026-01-06T00:00:00.000Z");
  assert.equal(message.client, "192.0.2.9");
  assert.deepEqual(
    recipients.map(({ state }) => state),
    ["relayed", "scheduled", "failed", "held"],
  );
  const [ann, later, gone, bob] = recipients;
  assert.equal(ann?.why, 'Another server accepted it: "250 2.0.0 Ok".');
  assert.equal(later?.why, 'Attempt 1 was deferred: "451 4.7.1 greylisted".');
  assert.match(later?.next ?? "", /^Attempt 2 at 2026-01-01 00:0[456].*Given up at 2026-01-06 00:00:00 UTC/);
  assert.match(later?.next_attempt_at ?? "", /^2026-01-01T00:0/);
  assert.equal(gone?.why, 'It failed permanently: "550 5.1.1 no such user".');
  assert.equal(bob?.why, "It is held by admin: to be looked at.");
  assert.match(bob?.next ?? "", new RegExp(`posthaste queue release ${id}`));
  assert.deepEqual(
    timeline.map(({ event }) => event),
    ["recipient-relayed", "recipient-deferred", "recipient-failed", "report-queued"],
  );
  const text = formatExplanation({ message, recipients, timeline });
  assert.match(text, /^Message \w{12} from sender@here\.test, 23 octets, subject "Hello"\n/);
  assert.match(text, /Accepted 2026-01-01 00:00:00 UTC from 192\.0\.2\.9, on mx over ESMTP in clear\n/);
  const overTls = { ...message, protocol: "ESMTPS", tls: "TLSv1.3 TLS_AES_256_GCM_SHA384" };
  assert.match(
    formatExplanation({ message: overTls, recipients, timeline }),
    /on mx over ESMTPS, TLSv1\.3 TLS_AES_256_GCM_SHA384\n/,
  );
  assert.match(
    text,
    /gone@there\.test: Attempt 1 \(mx there\.test\) failed permanently: the reply to RCPT was "550 5\.1\.1/,
  );
  assert.match(text, /Report \w{12} tells the sender that gone@there\.test failed\./);
});

test("an attempt is told with route, host, TLS and the words of the reply", async () => {
  const fixture = new QueueFixture();
  const diagnostic = {
    type: "smtp",
    code: 451,
    text: "451 4.3.0 busy",
    command: "DATA",
    remoteHost: "mx.there.test",
    remoteAddress: "192.0.2.1",
    tls: "TLSv1.3 TLS_AES_256_GCM_SHA384 verified",
  } as const;
  fixture.agent.answer = () => ({
    kind: "deferred",
    status: "4.3.0",
    owner: "remote-trouble",
    reason: "busy",
    diagnostic,
  });
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  const [entry] = (await explained(fixture, id)).timeline;
  assert.match(
    entry?.text ?? "",
    /^Attempt 1 \(mx there\.test\) was deferred: mx\.there\.test \[192\.0\.2\.1\] answered to DATA under TLSv1\.3 TLS_AES_256_GCM_SHA384 verified with "451 4\.3\.0 busy"\. The next attempt is due at /,
  );
});

test("an attempt tells which TLS was demanded and by which setting, and names it where it was not given", async () => {
  const fixture = new QueueFixture();
  const diagnostic = {
    ...{ remoteHost: "relay.test", remoteAddress: "192.0.2.1", tlsDemand: "verified (route.auth)" },
    tls: "TLSv1.3 TLS_AES_256_GCM_SHA384 verified",
  };
  const deferred = { kind: "deferred", owner: "remote-trouble" } as const;
  const outcomes: readonly DeliveryOutcome[] = [
    { ...deferred, status: "4.3.0", reason: "busy", diagnostic: { ...diagnostic, type: "smtp", text: "451 busy" } },
    { ...deferred, status: "4.7.5", reason: "no TLS", diagnostic: { ...diagnostic, type: "x-posthaste", text: "no" } },
    { ...deferred, status: "4.4.1", reason: "gone", diagnostic: { ...diagnostic, type: "x-posthaste", text: "gone" } },
  ];
  const texts: string[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    fixture.agent.answer = () => outcome;
    if (index === 0) fixture.queue.start();
    const { id } = await fixture.accept({ to: [`ann@there${index}.test`] });
    await fixture.settle();
    texts.push((await explained(fixture, id)).timeline[0]?.text ?? "");
  }
  assert.match(texts[0] ?? "", / verified \(TLS demanded: verified \(route\.auth\)\) with "451 busy"/);
  assert.match(texts[1] ?? "", /: no TLS \(TLS demanded: verified \(route\.auth\)\)\. The next/);
  assert.match(texts[2] ?? "", /: gone\. The next/);
});

test("a loop that was held, and what a person did about it, are in the story", async () => {
  const fixture = new QueueFixture({ settings: { loop_limit: 1 } });
  fixture.queue.start();
  await fixture.accept({ to: ["echo@there.test"], facts: { ownReceived: true } });
  const { id } = await fixture.accept({ to: ["echo@there.test"], facts: { ownReceived: true } });
  await fixture.settle();
  const { recipients, timeline } = await explained(fixture, id);
  assert.match(recipients[0]?.why ?? "", /held by loop-breaker: Possible mail loop: more than 1 messages/);
  assert.match(timeline[0]?.text ?? "", /^Held by loop-breaker: /);
  await fixture.spool.release({ message: id }, "ann (control socket)");
  fixture.queue.wake();
  await fixture.settle();
  const after = await explained(fixture, id);
  assert.deepEqual(
    after.timeline.map(({ event }) => event),
    ["recipient-held", "recipient-released", "recipient-relayed"],
  );
  assert.equal(after.timeline[1]?.text, "Released by ann (control socket).");
});

test("words of a hostile server cannot drive the terminal", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => bouncedReply("550 5.0.0 \u001b[2J\u001b]0;owned\u0007 \u202egnitautca\r\nSecond line");
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"], subject: "\u001b[31mred\u0085" });
  await fixture.settle();
  const explanation = await explained(fixture, id);
  const text = formatExplanation(explanation);
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
  assert.ok(text.includes("550 5.0.0 [2J ]0;owned gnitautca Second line"), text);
});

test("durations and sizes read well", () => {
  const cases = [
    [0, "0 ms"],
    [312.4, "312 ms"],
    [45_000, "45 seconds"],
    [61_000, "1 minute 1 second"],
    [80 * 60_000, "1 hour 20 minutes"],
    [86_400_000 + 59_000, "1 day"],
    [5 * 86_400_000 + 3_600_000, "5 days 1 hour"],
  ] as const;
  for (const [ms, words] of cases) assert.equal(durationWords(ms), words);
  assert.deepEqual([0, 1, 999, 1_000, 52_428_800].map(sizeWords), [
    "0 octets",
    "1 octet",
    "999 octets",
    "1,000 octets",
    "52,428,800 octets",
  ]);
  assert.equal(plain(" a\tb\r\nc "), "a b c");
});

test("what waits in memory is told with the site that it waits for, and what is delivered with the next hop", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  fixture.agent.blocked = true;
  fixture.queue.start();
  const { id: first } = await fixture.accept({ to: ["ann@there.test"] });
  const { id: second } = await fixture.accept({ to: ["bob@there.test"] });
  await fixture.settle();
  const whereabouts = (message: string, index: number) => fixture.queue.whereabouts(message, index);
  const told = async (id: string) => {
    const explanation = await explain(fixture.spool, id, { now: fixture.clock.now(), expireMs, whereabouts });
    return explanation?.recipients[0];
  };
  assert.equal((await told(first))?.why, "Attempt 1 is in progress: mx there.test.");
  const waiting = await told(second);
  assert.equal(waiting?.waits_at, "mx there.test");
  assert.match(
    waiting?.why ?? "",
    /^It waits in memory for its turn at mx there\.test: all 1 deliveries that the site may have are in progress\.$/,
  );
  assert.match(
    waiting?.next ?? "",
    /at 2026-01-06 00:00:00 UTC it goes before all others, and is given up an hour later/,
  );
  fixture.agent.unblock();
});
