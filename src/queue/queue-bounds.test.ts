/** Memory, fairness and limits: what the queue holds and begins at once, however much there is to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Router, RouteResult } from "../route/router.ts";
import type { ClaimedMessage, ClaimRequest, Settlement, Spool, StoredRecipient } from "../spool/spool.ts";
import {
  agentForAll,
  deferredReply,
  newMessage,
  QueueFixture,
  relayed,
  smtpHop,
  unreachable,
} from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { DeliveryAgent } from "./delivery-agent.ts";

const minute = 60_000;

test("found by simulation: a domain that was left out of a page is read again, though its site was never full", async () => {
  const fixture = new QueueFixture({ settings: { ready: 20, deliveries_per_site: 20 } });
  fixture.agent.answer = (_, { attempts }) => (attempts === 1 ? deferredReply() : relayed);
  fixture.queue.start();
  // More than a page, all due at about the same time, and nothing else that would wake the queue.
  for (let number = 0; number < 40; number++) await fixture.accept({ to: [`user${number}@a.test`] });
  await fixture.advance(20 * 60_000);
  const { scheduled, claimed } = await fixture.spool.stats();
  assert.deepEqual([scheduled, claimed], [0, 0]);
});

test("a domain that was left out of a page is read again as soon as its routes are known, without any time passing", async () => {
  let claims = 0;
  const fixture = new QueueFixture({
    settings: { ready: 80, deliveries_per_site: 20 },
    wrapSpool: (spool) => spying(spool, () => claims++),
  });
  const { agent, queue } = fixture;
  agent.blocked = true;
  const route = Promise.withResolvers<RouteResult>();
  fixture.router.table.set("a.test", route.promise);
  for (let number = 0; number < 25; number++) await fixture.accept({ to: [`user${number}@a.test`] });
  queue.start();
  await fixture.settle();
  assert.deepEqual([queue.stats().ready, claims], [5, 2], "a quarter of a share, then an empty page without it");
  await fixture.advance(10 * minute);
  assert.equal(claims, 2, "nothing is asked for while nothing changes");
  route.resolve({ kind: "hop", hop: smtpHop("a.test") });
  await fixture.settle();
  assert.equal(agent.running, 20, "no delivery had to end before");
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.equal(agent.attempted.length, 25);
});

for (let seed = 1; seed <= 20; seed++) {
  test(`nobody outside finds more to read than the queue did: routes and deliveries in the order of seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const steps: (() => void)[] = [];
    let free = false;
    const wait = () => (free ? Promise.resolve() : new Promise<void>((resolve) => steps.push(resolve)));
    const router: Router = {
      route: async ({ domain }) => {
        await wait();
        return { kind: "hop", hop: smtpHop(domain) };
      },
    };
    let attempted = 0;
    let read = 0;
    const agent: DeliveryAgent = {
      deliver: async ({ recipients }) => {
        attempted++;
        await wait();
        return { outcomes: recipients.map(({ index }) => ({ index, outcome: relayed })) };
      },
      close: async () => {},
    };
    const fixture = new QueueFixture({
      settings: { ready: 80, deliveries: 30, deliveries_per_site: 4 },
      options: {
        router,
        agents: agentForAll(agent),
      },
      wrapSpool: (spool) =>
        spying(
          spool,
          () => {},
          (page) => (read += page.length),
        ),
    });
    for (let number = 0; number < 300; number++) {
      await fixture.accept({ to: [`user${number}@d${Math.floor(12 * random.next() ** 2)}.test`] });
    }
    fixture.queue.start();
    await fixture.settle();
    while (steps.length > 0) {
      const count = 1 + Math.floor(random.next() * 8);
      for (let n = 0; n < count; n++) steps.splice(Math.floor(random.next() * steps.length), 1)[0]?.();
      await fixture.settle();
      // With less room than half of its part of the stage it need not read, and may.
      if (fixture.queue.stats().ready > 20) continue;
      const before = read;
      fixture.queue.wake();
      await fixture.settle();
      assert.equal(read, before);
    }
    // A few were put off for a moment, since their sites were full.
    free = true;
    await fixture.advance(minute);
    assert.equal(attempted, 300);
  });
}

test("a flood to one site starves none: others are delivered while it waits", async () => {
  const fixture = new QueueFixture({ settings: { deliveries: 13, deliveries_per_site: 4 } });
  const { agent, queue } = fixture;
  queue.start();
  agent.blocked = true;
  for (let number = 0; number < 300; number++) await fixture.accept({ to: [`u${number}@flood.test`] });
  for (let number = 0; number < 12; number++) await fixture.accept({ to: [`u@small${number % 3}.test`] });
  await fixture.settle();
  const bySite = (site: string) => agent.jobs.filter(({ hop }) => hop.site === site).length;
  assert.equal(bySite("flood.test"), 4);
  assert.deepEqual(
    [0, 1, 2].map((number) => bySite(`small${number}.test`)),
    [2, 2, 2],
  );
  agent.unblock(10);
  await fixture.settle();
  assert.deepEqual(
    [0, 1, 2].map((number) => bySite(`small${number}.test`)),
    [4, 4, 4],
    "everybody else had all turns",
  );
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(10 * minute);
  assert.equal(bySite("flood.test"), 300);
  assert.equal(agent.mostRunning, 10);
});

test("within a site the order of arrival holds", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  fixture.queue.start();
  const expected = Array.from({ length: 50 }, (_, number) => `u${number}@there.test`);
  for (const address of expected) await fixture.accept({ to: [address] });
  await fixture.settle();
  assert.deepEqual(fixture.agent.attempted, expected);
});

test("the ready stage is bounded: fresh mail beyond it is only scheduled, and follows when there is room", async () => {
  const fixture = new QueueFixture({ settings: { ready: 40, deliveries: 6 } });
  const { agent, queue, spool } = fixture;
  queue.start();
  agent.blocked = true;
  for (let number = 0; number < 200; number++) await fixture.accept({ to: [`u@d${number}.test`] });
  await fixture.settle();
  assert.ok(queue.stats().ready <= 40, `${queue.stats().ready} in memory`);
  assert.ok((await spool.stats()).scheduled >= 160);
  assert.equal(agent.running, 5);
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(minute);
  assert.equal(agent.jobs.length, 200);
  assert.equal(queue.stats().ready, 0);
});

test("a full site is left out of claims: a page is never filled with what cannot be used", async () => {
  const requests: ClaimRequest[] = [];
  const fixture = new QueueFixture({
    settings: { ready: 40, deliveries_per_site: 1 },
    wrapSpool: (spool) => spying(spool, (request) => requests.push(request)),
  });
  const { agent, queue } = fixture;
  for (let number = 0; number < 100; number++) await fixture.accept({ to: [`u${number}@flood.test`] });
  for (let number = 0; number < 30; number++) await fixture.accept({ to: [`u@other${number}.test`] });
  agent.blocked = ({ hop }) => hop.site === "flood.test";
  queue.start();
  await fixture.settle();
  assert.ok(requests.some(({ excludeDomains }) => excludeDomains.includes("flood.test")));
  assert.ok(agent.attempted.filter((address) => address.includes("other")).length === 30, "all others are done");
  assert.notEqual(queue.claimTermsForFresh(["flood.test"]), undefined, "a backlog does not shut out fresh mail");
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(5 * minute);
  assert.equal(agent.jobs.length, 130);
});

test("a backlog for one site is read as its deliveries go on, and none of it is put off", async () => {
  const putOff: number[] = [];
  const fixture = new QueueFixture({
    wrapSpool: (spool) =>
      new Proxy(spool, {
        get: (target, key) => {
          if (key === "settle") {
            return (settlement: Settlement) => {
              for (const change of settlement.changes) if (change.to === "scheduled") putOff.push(change.due);
              return target.settle(settlement);
            };
          }
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  const { agent, queue } = fixture;
  for (let number = 0; number < 1000; number++) await fixture.accept({ to: [`u${number}@one.test`] });
  agent.blocked = true;
  queue.start();
  await fixture.settle();
  const { ready, readyMax } = queue.stats();
  assert.ok(ready <= readyMax / 4, `${ready} in memory`);
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(minute);
  assert.equal(agent.jobs.length, 1000);
  assert.deepEqual(putOff, []);
});

test("a domain whose DNS does not answer takes a third of its half of the memory", async () => {
  const fixture = new QueueFixture({ settings: { ready: 80 } });
  fixture.router.table.set("mute.test", new Promise(() => {}));
  for (let number = 0; number < 200; number++) await fixture.accept({ to: [`u${number}@mute.test`] });
  const { id } = await fixture.accept({ to: ["ann@fine.test"] });
  fixture.queue.start();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.ok(fixture.queue.stats().ready <= 40);
});

test("more domains on a full site than the claim can leave out are put off, not claimed in a circle", async () => {
  let claims = 0;
  const fixture = new QueueFixture({
    settings: { ready: 40, deliveries_per_site: 1 },
    wrapSpool: (spool) => spying(spool, () => claims++),
  });
  const { agent, router, queue } = fixture;
  const hop = { kind: "hop" as const, hop: smtpHop("provider") };
  for (let number = 0; number < 300; number++) {
    router.table.set(`d${number}.test`, hop);
    await fixture.accept({ to: [`u@d${number}.test`] });
  }
  agent.blocked = true;
  queue.start();
  await fixture.settle();
  assert.ok(claims < 60, `${claims} claims`);
  const before = claims;
  await fixture.advance(minute);
  assert.ok(claims - before < 200, `${claims - before} claims in a minute`);
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(5 * minute);
  assert.equal(agent.jobs.length, 300);
});

test("a backlog of more domains than a claim can leave out is read as its relay takes it, and hides nobody for long", async () => {
  let claims = 0;
  const fixture = new QueueFixture({ wrapSpool: (spool) => spying(spool, () => claims++) });
  const { agent, router, queue } = fixture;
  const hop = { kind: "hop" as const, hop: smtpHop("relay") };
  const domains = Array.from({ length: 10_000 }, (_, number) => `d${number}.test`);
  for (const domain of domains) {
    router.table.set(domain, hop);
    await fixture.accept({ to: [`u@${domain}`] });
  }
  const other = await fixture.accept({ to: ["ann@other.test"] });
  agent.blocked = ({ hop: { site } }) => site === "relay";
  queue.start();
  await fixture.settle();
  const before = claims;
  await fixture.advance(minute);
  // Two a second: what became of a page is known when the next one has been asked for.
  assert.ok(claims - before <= 130, `${claims - before} pages in a minute in which nothing was taken`);
  assert.deepEqual(await fixture.states(other.id), ["relayed"]);
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(10 * minute);
  assert.equal(agent.attempted.length, domains.length + 1);
});

test("a backlog for an unreachable site moves along its schedule without attempts, and expires in time", async () => {
  const fixture = new QueueFixture({ settings: { expire: "6h", warn_after: "0s" } });
  const { agent, queue } = fixture;
  agent.answer = () => unreachable;
  const ids: string[] = [];
  for (let number = 0; number < 200; number++) {
    ids.push((await fixture.accept({ reversePath: "", to: [`u${number}@down.test`] })).id);
  }
  queue.start();
  await fixture.advance(6.5 * 3_600_000);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["expired"]);
  assert.ok(agent.jobs.length < 150, `${agent.jobs.length} connections for 200 recipients in six hours`);
});

test("421 lowers how many deliveries a site gets, and the snapshot says until when", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 8 } });
  const { agent, queue, clock } = fixture;
  queue.start();
  agent.answer = () => ({
    kind: "deferred",
    status: "4.7.0",
    owner: "remote-trouble",
    reason: "too many connections",
    diagnostic: { type: "smtp", code: 421, text: "421 4.7.0 too many connections", command: "greeting" },
  });
  await fixture.accept({ to: ["a@there.test"] });
  await fixture.settle();
  const [site] = queue.sites.list();
  assert.equal(site?.limit, 4);
  assert.equal(site?.normalLimit, 8);
  assert.equal(site?.limitedUntil, clock.now() + 5 * minute);
  agent.blocked = true;
  for (let number = 0; number < 20; number++) await fixture.accept({ to: [`u${number}@there.test`] });
  await fixture.settle();
  assert.equal(agent.running, 4);
});

test("a million scheduled recipients are never loaded: pages follow the room, and one time is kept", async () => {
  const spool = new EndlessSpool(1_000_000);
  const fixture = new QueueFixture({ wrapSpool: () => spool as unknown as Spool });
  const { agent, queue } = fixture;
  agent.blocked = true;
  queue.start();
  await fixture.settle();
  assert.ok(queue.stats().ready <= 1_000, `${queue.stats().ready} in memory`);
  assert.ok(spool.largestPage <= 500);
  const claimsAtStart = spool.claims;
  assert.ok(claimsAtStart <= 12, `${claimsAtStart} claims at start`);
  await fixture.advance(10 * minute);
  assert.equal(spool.claims, claimsAtStart, "no room, no claim");
  agent.blocked = () => agent.jobs.length > 6_000;
  agent.unblock();
  await fixture.settle();
  assert.ok(spool.settled >= 5_000, `${spool.settled} settled`);
  assert.ok(spool.mostOpen <= 1_000, `${spool.mostOpen} claimed at once`);
  assert.ok(spool.claims < spool.settled / 50, `${spool.claims} claims for ${spool.settled} recipients`);
});

function spying(
  spool: Spool,
  onClaim: (request: ClaimRequest) => void,
  onPage: (page: readonly ClaimedMessage[]) => void = () => {},
): Spool {
  return new Proxy(spool, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "claim") {
        return async (request: ClaimRequest) => {
          onClaim(request);
          const page = await target.claim(request);
          onPage(page);
          return page;
        };
      }
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Counts what is asked of it; makes up due recipients, each alone in its message, over fifty domains. */
class EndlessSpool {
  claims = 0;
  largestPage = 0;
  settled = 0;
  open = 0;
  mostOpen = 0;
  #left: number;
  #number = 0;

  constructor(count: number) {
    this.#left = count;
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    this.claims++;
    const count = Math.min(request.limit, this.#left);
    this.largestPage = Math.max(this.largestPage, count);
    this.#left -= count;
    this.open += count;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    return Array.from({ length: count }, () => this.#make(request.leaseMs));
  }

  async settle(settlement: Settlement): Promise<boolean> {
    this.settled += settlement.changes.length;
    this.open -= settlement.changes.length;
    return true;
  }

  async renew(): Promise<readonly number[]> {
    return [];
  }

  async nextDue(): Promise<undefined> {
    return undefined;
  }

  #make(leaseMs: number): ClaimedMessage {
    const number = this.#number++;
    const domain = `d${number % 50}.test`;
    const address = `u${number}@${domain}`;
    const { recipients: _, ...message } = newMessage(`ID${number}`, 0, { to: [] });
    const recipient: StoredRecipient = {
      address,
      domain,
      message: message.id,
      index: 0,
      state: "claimed",
      due: 0,
      attempts: 1,
      warned: false,
    };
    return { message: { ...message, size: 100 }, token: number, leaseEnd: leaseMs, recipients: [recipient] };
  }
}
