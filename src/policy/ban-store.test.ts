import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { BanStore } from "./ban-store.ts";
import type { Ban } from "./bans.ts";

const day = 86_400_000;

function ban(network: string, clock: ManualClock): Ban {
  const since = clock.now();
  const until = since + day / 2;
  return { network, service: "submission", offence: "failed-login", client: network, times: 3, since, until };
}

test("bans and networks of users come back, what was removed or is over does not, what cannot be read is left out", async () => {
  const clock = new ManualClock();
  const spool = new MemorySpool({ clock });
  const store = new BanStore(spool);
  const bans = Array.from({ length: 501 }, (_, index) => ban(`192.0.2.${index}`, clock));
  for (const one of bans) await store.putBan(one);
  await store.putBan({ ...ban("198.51.100.1", clock), service: "mail" });
  await store.putSignedIn("203.0.113.1", clock.now());
  await store.removeBans("198.51.100.1");
  await spool.changeRecords([
    { kind: "put", namespace: "bans", key: "mail x", value: { version: 2, ...ban("x", clock) } },
    { kind: "put", namespace: "bans", key: "mail y", value: { version: 1, ...ban("y", clock), offence: "haste" } },
    { kind: "put", namespace: "signed-in-networks", key: "z", value: null },
  ]);
  const read = await store.read();
  assert.deepEqual(new Set(read.bans), new Set(bans));
  assert.deepEqual(read.signedIn, [["203.0.113.1", clock.now()]]);

  await clock.advance(8 * day);
  while ((await spool.prune(clock.now(), 1000)) > 0);
  assert.deepEqual(
    (await spool.listRecords("bans", { limit: 1000 })).map(({ key }) => key),
    ["mail x", "mail y"],
  );
});
