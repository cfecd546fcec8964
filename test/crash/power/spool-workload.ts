/**
 * A process that uses the SQLite spool in every way that writes, and says what it was told, one line each:
 *
 *   told ID RECIPIENTS       the commit is durable
 *   settling ID, settled ID  its outcome is about to be, and is, durable
 *   records N                every record of the set has at least generation N
 *
 * Records are what changes most rows for the fewest octets: they drive the log to checkpoints that start it over. The
 * spool is closed and opened again on the way, which empties the log, removes and makes it again. Arguments: the data
 * directory, which life of the program this is (0, 1, …), and after how many commits it kills itself (0: it does not).
 */
import { writeSync } from "node:fs";
import { NodeFiles } from "../../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../../src/node/spool/open-sqlite-spool.ts";
import type { SqliteSpool } from "../../../src/node/spool/sqlite-spool.ts";
import { CollectingLog } from "../../../src/testing/collecting-log.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { delivered, draft, put, settle, terms } from "../../contract/spool-fixture.ts";
import { contentFor, recordKeys, recordsNamespace } from "./spool-expectations.ts";

const [directory = "", life = "0", killAfter = "0"] = process.argv.slice(2);
const clock = new ManualClock();
const committers = 10;
let count = Number(life) * 10_000;
let told = 0;

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

async function commitMany(spool: SqliteSpool, committer: number, messages: number): Promise<void> {
  for (let number = 0; number < messages; number++) {
    const id = `P${String(++count).padStart(11, "0")}`;
    const to = Array.from({ length: 1 + (count % 4) }, (_, index) => `r${index}@d${count % 7}.test`);
    const claim = count % 3 === 0 ? undefined : terms;
    const claimed = await put(spool, draft(to, { id }), { content: contentFor(id), ...(claim && { claim }) });
    say(`told ${id} ${to.length}`);
    if (++told === Number(killAfter)) process.kill(process.pid, "SIGKILL");
    if (claimed === undefined || (committer + number) % 2 === 0) continue;
    say(`settling ${id}`);
    await settle(
      spool,
      claimed,
      to.map((_, index) => delivered(index)),
    );
    say(`settled ${id}`);
  }
}

async function keepRecords(spool: SqliteSpool, from: number, to: number): Promise<void> {
  for (let value = from; value < to; value++) {
    await spool.changeRecords(
      recordKeys.map((key) => ({ kind: "put" as const, namespace: recordsNamespace, key, value })),
    );
    say(`records ${value}`);
  }
}

for (const [round, messages] of [8, 4].entries()) {
  const spool = await openSqliteSpool({ directory, clock, files: new NodeFiles(), log: new CollectingLog() });
  const generation = Number(life) * 100 + round * 20;
  const bookkeeping = keepRecords(spool, generation, generation + 20);
  await Promise.all(Array.from({ length: committers }, (_, committer) => commitMany(spool, committer, messages)));
  await bookkeeping;
  if (round === 0) await spool.close();
}
// Not closed, as when the power goes.
process.exit(0);
