/** What the ready stage remembers of sites is bounded by what waits there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { queueSettings } from "./settings.ts";
import type { ReadyJob } from "./site.ts";
import { ReadyQueue } from "./ready-queue.ts";

test("a site forgets its domains when nothing waits there any more", () => {
  const ready = new ReadyQueue(queueSettings.parse({}));
  const hop = { kind: "discard", site: "discard", description: "discard" } as const;
  const site = ready.siteFor(hop);
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 500; number++) {
      const domain = `d${round}-${number}.test`;
      site.remember(domain);
      // Nothing else of a job is looked at here.
      ready.push({ site, hop, recipients: [{ domain }] } as unknown as ReadyJob, 100_000, 0);
    }
    assert.equal(site.domains.size, 500);
    while (ready.next(0) !== undefined) ready.ended(site, 0);
    assert.equal(site.domains.size, 0);
  }
});
