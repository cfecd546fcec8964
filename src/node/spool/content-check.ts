/**
 * The check that follows opening a SQLite spool, beside the mail that flows already: files without a row are removed,
 * messages whose file is missing or short are held. It goes by the large contents there are, never by the queue.
 */
import type { Log } from "../../ports/log.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import type { ContentFiles } from "./content-files.ts";
import type { ReadOperation, ResultOf } from "./protocol.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

/** Ids or rows that one step handles. */
const pageRows = 500;

/** What it found. */
export interface ContentCheck {
  /** Files of messages that were never accepted, or are final. */
  readonly orphansRemoved: number;
  /** Messages whose file is missing or short. */
  readonly damaged: readonly QueueId[];
}

interface Parts {
  readonly contents: ContentFiles;
  readonly read: <O extends ReadOperation>(operation: O) => Promise<ResultOf<O>>;
  /** Holds what is scheduled of a damaged message; returns how many recipients that were. */
  readonly hold: (id: QueueId) => Promise<number>;
  readonly log: Log;
  /** The spool closes: the next start goes on. */
  readonly signal: AbortSignal;
}

/** Never rejects. */
export async function checkContentFiles(parts: Parts): Promise<ContentCheck> {
  const { contents, read, hold, log, signal } = parts;
  const damaged: QueueId[] = [];
  let orphansRemoved = 0;
  try {
    orphansRemoved = await contents.removeOrphans((ids) => knownFiles(read, ids), signal);
    for (let after = -1; !signal.aborted;) {
      const page = await read({ kind: "list-files", after, limit: pageRows });
      const last = page.at(-1);
      if (last === undefined) break;
      after = last[0];
      for (const [, id, size] of page) {
        if (await contents.isWhole(id, size)) continue;
        // None is held where the message became final meanwhile, and its file went with it.
        if ((await hold(id)) > 0) damaged.push(id);
      }
    }
  } catch (error) {
    if (!signal.aborted) logTrouble(log, "checking the files of the spool", error);
  }
  return { orphansRemoved, damaged };
}

async function knownFiles(read: Parts["read"], ids: readonly QueueId[]): Promise<readonly QueueId[]> {
  const known: QueueId[] = [];
  for (let at = 0; at < ids.length; at += pageRows) {
    known.push(...(await read({ kind: "known-files", ids: ids.slice(at, at + pageRows) })));
  }
  return known;
}
