import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../../src/address/mailbox-text.ts";
import { Envelope } from "../../src/intake/envelope.ts";
import { MemorySpool, MemoryStore } from "../../src/testing/spool/memory-spool.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { intakeContract, intakeIsDurable } from "./intake-contract.ts";
import { IntakeBench, origins } from "./intake-fixture.ts";
import type { SpoolHarness } from "./spool-fixture.ts";
import { SqliteBench } from "./sqlite-harness.ts";

async function openMemorySpool(): Promise<SpoolHarness> {
  const clock = new ManualClock();
  const store = new MemoryStore();
  return {
    clock,
    spool: new MemorySpool({ clock, store }),
    crash: async () => new MemorySpool({ clock, store }),
    [Symbol.asyncDispose]: async () => {},
  };
}

intakeContract("the memory spool", openMemorySpool);
intakeIsDurable("the memory spool", openMemorySpool);

intakeIsDurable("the SQLite spool", async () => {
  const bench = new SqliteBench();
  const directory = await bench.folder();
  return {
    clock: bench.clock,
    spool: await bench.open(directory),
    crash: async () => bench.open(await bench.image(directory)),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
});

test("a recipient that a policy holds has that in its history and in the log, from the beginning", async () => {
  await using harness = await openMemorySpool();
  const bench = new IntakeBench(harness);
  const [stranger] = origins;
  assert.ok(stranger);
  const { submission, outcome } = await bench.bring({
    ...stranger,
    begin: (given) => {
      const envelope = new Envelope(parseMailbox("ann@example.org") ?? assert.fail(), {});
      for (const [user, held] of [
        ["bob", undefined],
        ["eve", { by: "hooks", reason: "to be looked at" }],
      ] as const) {
        const address = `${user}@example.net`;
        const target = { address, domain: "example.net", key: address };
        const why = {
          reason: "local-user",
          rule: "recipient-existence",
          submitted: false,
          ...(held && { held }),
        } as const;
        envelope.add(parseMailbox(address) ?? assert.fail(), {}, [target], why);
      }
      return { origin: stranger.begin(given).origin, envelope };
    },
  });
  assert.equal((await outcome)?.verdict, "accept");
  const events = await harness.spool.events(submission.id);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["message-accepted", "recipient-held"],
  );
  const held = { recipient: 1, address: "eve@example.net", by: "hooks", reason: "to be looked at" };
  assert.deepEqual({ ...events[1], at: 0 }, { kind: "recipient-held", at: 0, message: submission.id, ...held });
  assert.equal(bench.log.of("recipient-held")[0]?.["recipient"], "eve@example.net");
});
