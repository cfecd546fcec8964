/**
 * A process that commits messages by twenty committers until it ends, and prints `told ID` for each message that it was
 * told is durable. Arguments: the data directory, and how many messages later it kills itself. A commit that is refused
 * ends it, with `refused ID CODE` for every committer.
 */
import { writeSync } from "node:fs";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { draft, put, terms } from "./spool-fixture.ts";

/** The first word of each line that it prints. */
export type CommitAnswer = "told" | "refused";

function print(verdict: CommitAnswer, text: string): void {
  const line = Buffer.from(`${verdict} ${text}\n`);
  for (let written = 0; written < line.length;) {
    try {
      written += writeSync(1, line, written);
    } catch (error) {
      // The pipe is full: whoever reads it has not had a turn. It must be said before anything else happens.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

const [directory = "", killAfter] = process.argv.slice(2);
const clock = new ManualClock();
const spool = await openSqliteSpool({ directory, clock, files: new NodeFiles(), log: new CollectingLog() });
let count = 0;

async function commit(committer: number): Promise<void> {
  for (;;) {
    const id = `C${String(++count).padStart(11, "0")}`;
    // One of them sends large content, which goes to files.
    const content = Buffer.alloc(committer === 0 ? 300_000 : 3000, id);
    try {
      await put(spool, draft(["ann@a.test", "bob@b.test"], { id }), { content, claim: terms });
    } catch (error) {
      print("refused", `${id} ${error instanceof SpoolError ? error.code : String(error)}`);
      return;
    }
    print("told", id);
    if (count > Number(killAfter)) process.kill(process.pid, "SIGKILL");
  }
}

await Promise.all(Array.from({ length: 20 }, (_, committer) => commit(committer)));
// Not closed: what a refused write left behind is for the next start to find.
process.exit(0);
