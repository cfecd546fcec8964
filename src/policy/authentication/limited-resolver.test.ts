import assert from "node:assert/strict";
import { test } from "node:test";
import type { DnsAnswer, RecordType, Resolver } from "../../ports/resolver.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import { LimitedResolver } from "./limited-resolver.ts";

const none = { kind: "no-name", secure: false } as const;

/** Has one answer at hand, gives another at once, and never answers any other question. */
class Forgetful implements Resolver {
  readonly asked: string[] = [];

  known<T extends RecordType>(name: string): DnsAnswer<T> | undefined {
    return name === "known.test" ? none : undefined;
  }

  query<T extends RecordType>(name: string): Promise<DnsAnswer<T>> {
    this.asked.push(name);
    return name === "quick.test" ? Promise.resolve(none) : new Promise(() => {});
  }
}

test("what is at hand is given without asking, and without a timer", async () => {
  const [inner, clock] = [new Forgetful(), new ManualClock()];
  const resolver = new LimitedResolver(inner);
  resolver.giveUpAfter(1000, clock);
  assert.deepEqual(await resolver.query("known.test", "TXT"), none);
  assert.deepEqual(inner.asked, []);
  assert.equal(clock.pendingTimers, 0);
});

test("questions that wait before patience is limited, and those asked after, all end together", async () => {
  for (const early of [true, false]) {
    const [inner, clock] = [new Forgetful(), new ManualClock()];
    const resolver = new LimitedResolver(inner);
    const asked = early ? [resolver.query("a.test", "TXT")] : [];
    resolver.giveUpAfter(1000, clock);
    asked.push(resolver.query("quick.test", "TXT"), resolver.query("b.test", "TXT"));
    await clock.advance(999);
    const late = resolver.query("c.test", "TXT");
    await clock.advance(1);
    const kinds = (await Promise.all([...asked, late])).map(({ kind }) => kind);
    assert.deepEqual(kinds, [...(early ? ["failure"] : []), "no-name", "failure", "failure"]);
    assert.deepEqual(await resolver.query("known.test", "TXT"), none, "nobody has to wait for it");
  }
});

test("no timer is left behind when the checks are done", async () => {
  const [inner, clock] = [new Forgetful(), new ManualClock()];
  const resolver = new LimitedResolver(inner);
  resolver.giveUpAfter(1000, clock);
  void resolver.query("a.test", "TXT");
  assert.equal(clock.pendingTimers, 1);
  resolver.done();
  void resolver.query("b.test", "TXT");
  assert.equal(clock.pendingTimers, 0);
});

test("answers are counted as long as the message is there; where there is no room, the question fails", async () => {
  const records = Array.from({ length: 10 }, () => "x".repeat(1000));
  const answer = { kind: "records", records, name: "a.test", ttlSeconds: 1, secure: false } as const;
  const inner = { query: () => Promise.resolve(answer) } as unknown as Resolver;
  let held = 0;
  const resolver = new LimitedResolver(inner, {
    hold: (octets) => {
      if (held + octets > 30_000) return false;
      held += octets;
      return true;
    },
  });
  const kinds = [];
  for (const name of ["a.test", "b.test", "c.test", "a.test"]) kinds.push((await resolver.query(name, "TXT")).kind);
  assert.deepEqual(kinds, ["records", "records", "failure", "records"]);
  assert.equal(held, 2 * (10 * 1100 + 100));
});
