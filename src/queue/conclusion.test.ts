/** When a deferred recipient is tried again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { deferredReply, relayed } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { conclusionsOn } from "./conclusion.ts";
import { queueSettings } from "./settings.ts";

const minute = 60_000;
const random = new SeededRandom(7);

/** When recipients of a message that came at 0, with so many attempts, are due again after an attempt at 0. */
function dueAfter(
  outcomes: readonly ReturnType<typeof deferredReply>[],
  { attempts = 1, expire = "100h" }: { readonly attempts?: number; readonly expire?: string } = {},
): readonly (number | undefined)[] {
  const settings = queueSettings.parse({ retry: ["5m", "10m", "20m"], expire });
  // Nothing else of a message or recipient is looked at.
  const message = { receivedAt: 0 } as StoredMessage;
  const recipients = outcomes.map((_, index) => ({ index, attempts, warned: false }) as StoredRecipient);
  const results = outcomes.map((outcome, index) => ({ index, outcome }));
  const clockSteps = { whenAged: (beganAt: number, ageMs: number) => beganAt + ageMs };
  const context = { message, settings, clockSteps, random, now: 0, interrupted: false };
  return conclusionsOn(recipients, results, context).map((one) => (one.kind === "again" ? one.due : undefined));
}

test("SMTPC-014: the waits follow the list, spread by 20 %, and the last one repeats", () => {
  for (const [attempts, wait] of [
    [0, 5],
    [1, 5],
    [2, 10],
    [3, 20],
    [4, 20],
    [1_000, 20],
  ] as const) {
    const seen = new Set<number>();
    for (let round = 0; round < 200; round++) {
      const [due = 0] = dueAfter([deferredReply()], { attempts });
      assert.ok(due >= 0.8 * wait * minute && due <= 1.2 * wait * minute + 1, `${attempts}: ${due}`);
      seen.add(due);
    }
    assert.ok(seen.size > 150);
  }
});

test("no wait passes the expiry: the last attempt is made then", () => {
  assert.deepEqual(dueAfter([deferredReply()], { attempts: 2, expire: "3m" }), [3 * minute]);
});

test("what did not fit a transaction that delivered others follows together, in one to five seconds", () => {
  const leftOver = { ...deferredReply(), soon: true } as const;
  for (let round = 0; round < 100; round++) {
    const [, first = 0, second] = dueAfter([relayed, leftOver, leftOver]);
    assert.ok(first >= 1_000 && first <= 5_001);
    assert.equal(first, second);
  }
});

test("a wish is followed from 20 seconds up to the expiry, a little later than asked and never earlier", () => {
  for (const [asked, least] of [
    ["1 second", 20_000],
    ["30 seconds", 30_000],
    ["10 minutes", 10 * minute],
    ["5 hours", 300 * minute],
  ] as const) {
    const [due = 0] = dueAfter([deferredReply(`451 try again in ${asked}`)], { attempts: 3 });
    assert.ok(due >= least && due <= least * 1.05 + 1, `${asked}: ${due}`);
  }
  assert.deepEqual(dueAfter([deferredReply("451 try again in 30 days")]), [100 * 60 * minute]);
});
