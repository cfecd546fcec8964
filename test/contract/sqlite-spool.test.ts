import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeFiles } from "../../src/node/node-files.ts";
import { openSqliteSpool, type SqliteSpool } from "../../src/node/sqlite-spool.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { spoolContract, type SpoolHarness } from "./spool-contract.ts";

spoolContract("sqlite-spool", async (): Promise<SpoolHarness> => {
  const clock = new ManualClock();
  const directory = await mkdtemp(join(tmpdir(), "posthaste-spool-"));
  const opened: SqliteSpool[] = [];
  const open = async () => {
    const spool = await openSqliteSpool({ directory, clock, files: new NodeFiles(), log: new CollectingLog() });
    opened.push(spool);
    return spool;
  };
  return {
    clock,
    spool: await open(),
    crash: async () => {
      await opened.at(-1)?.kill();
      return open();
    },
    [Symbol.asyncDispose]: async () => {
      for (const spool of opened) await spool.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
