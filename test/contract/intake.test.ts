import { MemorySpool, MemoryStore } from "../../src/testing/spool/memory-spool.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { intakeContract, intakeIsDurable } from "./intake-contract.ts";
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
