import { spoolContract } from "./spool-contract.ts";
import type { SpoolHarness } from "./spool-fixture.ts";
import { SqliteBench } from "./sqlite-harness.ts";

spoolContract("sqlite-spool", async (): Promise<SpoolHarness> => {
  const bench = new SqliteBench();
  let directory = await bench.folder();
  return {
    clock: bench.clock,
    spool: await bench.open(directory),
    crash: async () => {
      directory = await bench.image(directory);
      return bench.open(directory);
    },
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
});
