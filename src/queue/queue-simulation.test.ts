/**
 * Days of trouble from a seed: servers that answer anything, a disk that fills, crashes and restarts. What must hold is
 * checked at the end: nothing is lost, nothing is stuck, nothing is attempted without end, nobody is told twice.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { finalStates, openStates } from "../spool/recipient-state.ts";
import { type Settlement, type Spool, SpoolError } from "../spool/spool.ts";
import { bouncedReply, deferredReply, QueueFixture, relayed, unreachable } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";

const hour = 3_600_000;
const settings = { ready: 30, deliveries: 6, deliveries_per_site: 2, recipients_per_transaction: 3 };

const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

for (const seed of process.env["SIMULATIONS"] === "all" ? seeds : seeds.slice(0, 4)) {
  test(`seed ${seed}: after six days of trouble every recipient has its end, and the queue is quiet`, async () => {
    const chance = new SeededRandom(seed);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(chance.next() * choices.length)] as T;
    let diskFull = false;
    const wrapSpool = (spool: Spool): Spool =>
      new Proxy(spool, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name === "settle" || name === "claim" || name === "renew") {
            return (...given: readonly unknown[]) =>
              diskFull
                ? Promise.reject(new SpoolError("no-space", "The disk is full"))
                : (Reflect.apply(value as (...given: readonly unknown[]) => unknown, target, given) as unknown);
          }
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
    const delivered = new Map<string, number>();
    const attempts = new Map<string, number>();
    let crashes = 0;
    const answers: readonly (() => DeliveryOutcome)[] = [
      () => relayed,
      () => relayed,
      () => deferredReply(),
      () => deferredReply("421 4.7.0 busy", "greeting"),
      () => deferredReply("451 greylisted, try again in 300 seconds"),
      () => ({ ...deferredReply("452 4.5.3 too many"), soon: true as const }),
      () => unreachable,
      () => bouncedReply(),
    ];
    const begin = (before?: QueueFixture): QueueFixture => {
      const fixture = new QueueFixture({ settings, wrapSpool, ...(before && { before }) });
      fixture.agent.answer = (job, { address, index }) => {
        const key = `${job.message.id} ${index}`;
        attempts.set(key, (attempts.get(key) ?? 0) + 1);
        const outcome = address.startsWith("never") ? deferredReply() : pick(answers)();
        if (outcome.kind === "relayed") delivered.set(key, (delivered.get(key) ?? 0) + 1);
        return outcome;
      };
      fixture.queue.start();
      return fixture;
    };

    let fixture = begin();
    const accepted: string[] = [];
    for (let step = 0; step < 60; step++) {
      const to = Array.from({ length: 1 + Math.floor(chance.next() * 8) }, (_, number) => {
        const name = chance.next() < 0.05 ? "never" : "user";
        return `${name}${number}@${pick(["a.test", "b.test", "c.test", "d.test"])}`;
      });
      const reversePath = chance.next() < 0.2 ? "" : `sender${step}@here.test`;
      accepted.push((await fixture.accept({ reversePath, to })).id);
      if (chance.next() < 0.5) await fixture.advance(chance.next() * hour);
      if (chance.next() < 0.1) diskFull = !diskFull;
      if (chance.next() < 0.1) {
        // Either a crash, or a stop that may run into the full disk.
        crashes++;
        if (chance.next() < 0.5) {
          const stopped = fixture.queue.stop({ deadlineMs: 1_000 });
          await fixture.advance(30_000);
          await stopped;
          assert.equal(fixture.queue.stats().state, "stopped");
        }
        fixture = begin(fixture);
      }
      assert.ok(fixture.queue.stats().ready <= settings.ready + 16, `${fixture.queue.stats().ready} ready`);
    }
    diskFull = false;
    // Mail expires within five days, and the report on it within five more.
    await fixture.advance(11 * 24 * hour);

    const nobodyToTell = new Set<string>();
    for (const id of accepted) {
      const message = await fixture.spool.message(id);
      for (const { state, index, address } of message?.recipients ?? []) {
        const key = `${id} ${index}`;
        assert.ok(["relayed", "failed", "expired"].includes(state), `${key} is ${state}`);
        if (state === "relayed") assert.ok((delivered.get(key) ?? 0) > 0, `${key} was never delivered`);
        // Only a crash between delivery and record makes another attempt.
        const most = (state === "relayed" ? 1 : 0) + crashes;
        assert.ok((delivered.get(key) ?? 0) <= most, `${key} is ${state}, delivered ${delivered.get(key)} times`);
        // Five days of the schedule, and at most one more attempt for each crash.
        assert.ok((attempts.get(key) ?? 0) <= 60 + crashes, `${key} was attempted ${attempts.get(key)} times`);
        if (address.startsWith("never")) assert.equal(state, "expired");
      }
      if (message?.message.reversePath === "") nobodyToTell.add(id);
    }
    const everything = await fixture.spool.find({ states: [...finalStates, ...openStates] }, { limit: 100_000 });
    for (const { message } of everything)
      assert.ok(!nobodyToTell.has(message.reportOn ?? ""), "a report on a null path");
    const { scheduled, claimed, held } = await fixture.spool.stats();
    assert.deepEqual([scheduled, claimed, held], [0, 0, 0]);
    assert.equal(fixture.queue.stats().ready, 0);
    assert.equal(fixture.queue.stats().running, 0);
    await fixture.queue.stop({ deadlineMs: 0 });
    assert.equal(fixture.clock.pendingTimers, 0);
  });
}

test("without a crash nobody is delivered to twice, even while the disk fills again and again", async () => {
  const settlements: Settlement[] = [];
  /** For six of every nine seconds, for whatever is written: an outcome that alone is refused ten times is given up. */
  const isFull = () => Math.floor(fixture.clock.now() / 3_000) % 3 !== 0;
  const fixture = new QueueFixture({
    settings,
    wrapSpool: (spool) =>
      new Proxy(spool, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name === "settle") {
            return async (settlement: Settlement) => {
              if (isFull()) throw new SpoolError("no-space", "The disk is full");
              settlements.push(settlement);
              return target.settle(settlement);
            };
          }
          if (name === "renew" && isFull()) return () => Promise.reject(new SpoolError("no-space", "The disk is full"));
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  fixture.queue.start();
  for (let number = 0; number < 100; number++) await fixture.accept({ to: [`user${number}@d${number % 7}.test`] });
  await fixture.advance(2 * hour);
  assert.equal(fixture.agent.attempted.length, 100);
  assert.equal(new Set(fixture.agent.attempted).size, 100);
  assert.equal(settlements.flatMap(({ changes }) => changes).filter(({ to }) => to === "relayed").length, 100);
});
