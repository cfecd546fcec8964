/** What the ready stage remembers of sites is bounded by what waits there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { queueSettings } from "./settings.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { ReadyJob, Site } from "./site.ts";
import { QueueState } from "./queue-state.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { ReadySpace } from "./ready-space.ts";

function readyQueue(): ReadyQueue {
  const state = new QueueState(queueSettings.parse({ ready: 100_000 }), new ManualClock());
  return new ReadyQueue(state, new ReadySpace(state, () => undefined));
}

/** Nothing else of a job is looked at here. */
function jobAt(site: Site, hop: NextHop, domain: string): ReadyJob {
  const claim = { message: { origin: {}, reversePath: "a@from.test" } };
  return { site, hop, claim, recipients: [{ domain, address: `b@${domain}` }] } as unknown as ReadyJob;
}

test("a site forgets its domains when nothing waits there any more", () => {
  const ready = readyQueue();
  const hop = { kind: "discard", site: "discard", description: "discard" } as const;
  const site = ready.siteFor(hop);
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 500; number++) {
      const domain = `d${round}-${number}.test`;
      site.remember(domain);
      ready.push(jobAt(site, hop, domain), 0);
    }
    assert.equal(site.domains.size, 500);
    for (let job = ready.next(0); job !== undefined; job = ready.next(0)) ready.ended(job, 0);
    assert.equal(site.domains.size, 0);
  }
});

test("no more than 10,000 sites are remembered; idle ones go first, and those at work stay", () => {
  const ready = readyQueue();
  const hop = (number: number) =>
    ({ kind: "maildir", site: `s${number}`, path: "/x", description: "maildir" }) as const;
  for (let number = 0; number < 100; number++) {
    const site = ready.siteFor(hop(number));
    ready.push(jobAt(site, hop(number), "d.test"), 0);
  }
  for (let number = 100; number < 25_000; number++) {
    ready.siteFor(hop(number));
    if (number % 1000 !== 0) continue;
    const names = new Set([...ready.sites()].map(({ key }) => key));
    assert.ok(names.size <= 10_000);
    for (let busy = 0; busy < 100; busy++) assert.ok(names.has(`maildir s${busy}`));
  }
});
