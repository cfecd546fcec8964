/** Who may have more of the memory: what is left out, and that it is looked at again whenever room is made for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredRecipient } from "../spool/spool.ts";
import { QueueFixture } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { Claim } from "./leases.ts";
import { Crowd, type Crowds, type Page, ReadySpace } from "./ready-space.ts";

/** Nothing else of a claim or recipient is looked at. */
const claimOf = (fresh: boolean, open = 1) => ({ fresh, open }) as Claim;
const recipientAt = (domain: string) => ({ domain }) as StoredRecipient;

function space(ready: number) {
  let woken = false;
  const made = new ReadySpace({ settings: { ready } }, () => (woken = true));
  const takeWoken = () => {
    const was = woken;
    woken = false;
    return was;
  };
  return { made, takeWoken };
}

function crowdsOf(domain: string): Crowds {
  const domains = new Set([domain]);
  return { fresh: new Crowd(domains), read: new Crowd(domains) };
}

/** What the reader would miss who read `before` and does not ask again, although it might have `now`. */
function missed(before: Page, now: Page): readonly string[] {
  if ("waitMs" in now) return [];
  if ("waitMs" in before) return before.waitMs === Infinity ? ["any page at all"] : [];
  return before.excludeDomains.filter((domain) => !now.excludeDomains.includes(domain));
}

for (let seed = 1; seed <= 30; seed++) {
  test(`whatever makes room for what was left out wakes the reader: in the order of seed ${seed}`, () => {
    const random = new SeededRandom(seed);
    const below = (count: number) => Math.floor(random.next() * count);
    const { made, takeWoken } = space(20 + below(60));
    const sites = Array.from({ length: 4 }, (_, number) => crowdsOf(`d${number}.test`));
    const inMemory: { readonly claim: Claim; readonly site: number; stage: "routing" | "waiting" | "running" }[] = [];
    const step = () => {
      const index = below(inMemory.length);
      const one = inMemory[index];
      if (one === undefined) return;
      const crowds = sites[one.site] as Crowds;
      if (one.stage === "routing") {
        made.endRoutes(one.claim, [recipientAt(`d${one.site}.test`)]);
        if (made.admits(one.claim, crowds, 1)) made.join(one.claim, crowds, 1);
        else inMemory.splice(index, 1).forEach(({ claim }) => made.release(claim, 1));
        one.stage = "waiting";
      } else if (one.stage === "waiting") {
        made.leave(one.claim, crowds, 1);
        one.stage = "running";
      } else {
        inMemory.splice(index, 1);
        made.release(one.claim, 1);
      }
    };
    let nowMs = 0;
    let last = made.page(nowMs);
    for (let round = 0; round < 2_000; round++) {
      if (below(3) === 0) {
        const [claim, site] = [claimOf(below(2) === 0), below(sites.length)];
        const { domain } = recipientAt(`d${site}.test`);
        const isLeftOut = "waitMs" in last || last.excludeDomains.includes(domain);
        if (claim.fresh ? !made.roomFor(domain) : isLeftOut) continue;
        made.reserve(claim);
        made.awaitRoutes(claim, [recipientAt(domain)]);
        inMemory.push({ claim, site, stage: "routing" });
      } else {
        step();
      }
      if (below(4) > 0) continue;
      const isWoken = takeWoken();
      const now = made.page((nowMs += 2_000));
      if (!isWoken) assert.deepEqual(missed(last, now), [], `round ${round}`);
      last = now;
    }
    while (inMemory.length > 0) step();
    assert.equal(made.taken, 0);
    assert.deepEqual(made.page(nowMs + 2_000), {
      limit: Math.floor(made.max / 2),
      perDomainMax: Math.ceil(Math.floor(made.max / 4) / 4),
      excludeDomains: [],
    });
  });
}

test("found by simulation: a little room is read into within a second, however long the rest of it stays taken", () => {
  const { made, takeWoken } = space(20);
  const slow = claimOf(false, 10);
  made.reserve(slow);
  assert.deepEqual(made.page(0), { waitMs: Infinity });
  // A tarpit keeps the other nine.
  made.release(slow, 1);
  assert.ok(takeWoken());
  const page = made.page(0);
  assert.equal("waitMs" in page ? undefined : page.limit, 1);
  made.reserve(claimOf(false));
  made.release(claimOf(false), 1);
  assert.deepEqual(made.page(400), { waitMs: 600 }, "but no more than one such page in a second");
  assert.ok(!("waitMs" in made.page(1_000)));
});

test("reading rests when most of a page was turned away, until somebody has room", () => {
  const { made, takeWoken } = space(400);
  const crowds = crowdsOf("relay.test");
  made.reserve(claimOf(false, 100));
  made.join(claimOf(false), crowds, 60);
  assert.ok(!("waitMs" in made.page(0)));
  for (let count = 0; count < 10; count++) assert.equal(made.admits(claimOf(false), crowds, 1), false);
  assert.deepEqual(made.page(100), { waitMs: 900 });
  made.leave(claimOf(false), crowds, 60);
  assert.ok(takeWoken());
  assert.ok(!("waitMs" in made.page(100)));
});

test("fresh mail to one idle site is claimed until it has a third of its half, and again when half of that has gone", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  const { agent, queue, spool } = fixture;
  agent.blocked = true;
  queue.start();
  for (let number = 0; number < 330; number++) await fixture.accept({ to: [`u${number}@one.test`] });
  await fixture.settle();
  assert.deepEqual([queue.stats().ready, (await spool.stats()).scheduled], [330, 0], "none of it is held back");
  for (let number = 330; number < 400; number++) await fixture.accept({ to: [`u${number}@one.test`] });
  await fixture.settle();
  assert.equal(queue.claimTermsForFresh(["one.test"]), undefined);
  assert.notEqual(queue.claimTermsForFresh(["quiet.test"]), undefined);
  // What came unclaimed is read, into the other half.
  assert.equal(queue.stats().ready, 400);
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.equal(agent.jobs.length, 400);
  assert.notEqual(queue.claimTermsForFresh(["one.test"]), undefined);
});

test("fresh mail whose route is not known yet has the same share, however much of it comes at once", async () => {
  const fixture = new QueueFixture();
  fixture.router.table.set("slow.test", new Promise(() => {}));
  fixture.queue.start();
  for (let number = 0; number < 330; number++) await fixture.accept({ to: [`u${number}@slow.test`] });
  assert.equal((await fixture.spool.stats()).scheduled, 0, "none of it is held back");
  for (let number = 330; number < 400; number++) await fixture.accept({ to: [`u${number}@slow.test`] });
  assert.equal(fixture.queue.claimTermsForFresh(["slow.test"]), undefined);
  assert.notEqual(fixture.queue.claimTermsForFresh(["quiet.test"]), undefined);
});

test("pages are small and come at intervals while more than half of what was read is not tried", () => {
  const { made } = space(4_000);
  const [fresh, read] = [claimOf(true), claimOf(false)];
  const full = { limit: 500, perDomainMax: 100, excludeDomains: [] };
  assert.deepEqual(made.page(0), full);
  made.noteRead(100);
  made.noteUntried(fresh, 200);
  assert.deepEqual(made.page(10), full, "fresh mail was not read from the schedule");
  made.noteRead(100);
  made.noteUntried(read, 51);
  assert.deepEqual(made.page(20), { waitMs: 90 });
  assert.deepEqual(made.page(110), { ...full, limit: 100, perDomainMax: 25 }, "asking again changes nothing");
  made.reserve(claimOf(false, 1_980));
  assert.deepEqual(made.page(2_000), { ...full, limit: 20, perDomainMax: 25 }, "no more than there is room for");
  made.release(claimOf(false), 1_980);
  made.noteRead(100);
  made.noteUntried(read, 50);
  assert.deepEqual(made.page(2_010), full, "half of it was of use");
});
