import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueFixture } from "../testing/queue-fixture.ts";
import { sitesApi } from "./sites-api.ts";

const hour = 3_600_000;

test("the API lists, shows, rests and wakes, and says what is wrong with a request", async () => {
  const fixture = new QueueFixture();
  const { queue, router, clock, agent } = fixture;
  const reason = "no such domain";
  router.table.set("nowhere.test", { kind: "bounced", status: "5.1.2", owner: "recipient", reason });
  agent.blocked = true;
  queue.start();
  await fixture.accept({ to: ["a@there.test"] });
  await fixture.settle();
  const app = sitesApi(queue.sites);
  const ask = async (path: string, json?: unknown) => {
    const headers = { "content-type": "application/json" };
    const init = json === undefined ? {} : { method: "POST", headers, body: JSON.stringify(json) };
    const response = await app.request(path, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const plain = {
    ...{ site: "smtp there.test", description: "mx there.test", waiting: 0, running: 1, limit: 20, normal_limit: 20 },
    ...{
      limited_until: null,
      resting_until: null,
      rest_reason: null,
      waits_for: null,
      waits_until: null,
      last_reply: null,
    },
  };
  assert.deepEqual((await ask("/")).body, { sites: [plain] });
  assert.deepEqual((await ask("/show?site=there.test")).body, plain);
  const rest = { site: "there.test", for: "2h", reason: "they are moving" };
  const resting_until = new Date(clock.now() + 2 * hour).toISOString();
  assert.deepEqual((await ask("/rest", rest)).body, {
    ...plain,
    ...{ resting_until, rest_reason: "they are moving" },
    ...{ waits_for: "operator paused the site: they are moving", waits_until: resting_until },
  });
  assert.deepEqual((await ask("/wake", { site: "there.test" })).body, { ...plain, retried: 0 });
  assert.equal((await ask("/rest", { ...rest, for: "8d" })).status, 400);
  assert.equal((await ask("/rest", { ...rest, reason: undefined })).status, 400);
  assert.equal((await ask("/wake", { site: "nowhere.test" })).status, 404);
  assert.equal((await ask("/show")).status, 404);
  const offline = await sitesApi(undefined).request("/rest", { method: "POST" });
  assert.equal(offline.status, 503);
});
