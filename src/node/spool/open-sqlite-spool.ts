/** Opens the spool of a real server: makes its files, begins its threads in order, and says in the log what they found. */
import type { Files } from "../../ports/files.ts";
import type { SpoolError } from "../../spool/spool.ts";
import { SpoolChannel } from "./channel.ts";
import { SpoolCheckpoints } from "./checkpoints.ts";
import { asSpoolError, ContentFiles } from "./content-files.ts";
import { wholeMs } from "./rows.ts";
import { SqliteSpool, type SqliteSpoolOptions } from "./sqlite-spool.ts";

const mebibyte = 1024 * 1024;

/** Rejects with {@link SpoolError}: `newer-format` where a newer program wrote the spool, else `failed`. */
export async function openSqliteSpool(options: SqliteSpoolOptions): Promise<SqliteSpool> {
  const path = `${options.directory}/spool.db`;
  await makePrivate(options.files, path, options.directory);
  const data = {
    path,
    now: wholeMs(options.clock.now()),
    databaseBytesMax: options.databaseBytesMax ?? 0,
  };
  const cacheKiB = Math.ceil((options.databaseCacheBytes ?? 16 * mebibyte) / 1024);
  // The other two begin when there is a database; what is asked of them waits for them.
  let isOpen = false;
  // A writer that cannot begin is what this function rejects with.
  const onGone = (error: SpoolError) => (isOpen ? options.onThreadGone?.(error) : undefined);
  const onRowsChanged = (rows: number) => checkpoints.noteChanged(rows);
  const onDamage = (notes: readonly string[]) => {
    for (const error of notes)
      options.log.event("spool-damaged", { where: `reading ${path}`, message: undefined, error });
  };
  const writer = new SpoolChannel({ ...data, role: "writer", cacheKiB }, { onGone, onRowsChanged, onDamage });
  const { incarnation, recovered, check, damage } = await writer.opened;
  onDamage(damage);
  if (check?.skipped !== undefined) {
    const { bytes, skipped } = check;
    options.log.event("spool-check-skipped", { path, bytes, skipped });
  }
  isOpen = true;
  const reader = new SpoolChannel({ ...data, role: "reader", cacheKiB: Math.ceil(cacheKiB / 4) }, { onGone });
  const checkpointer = new SpoolChannel({ ...data, role: "checkpointer", cacheKiB: 0 }, { onGone });
  const checkpoints = new SpoolCheckpoints(checkpointer);
  const threads = { writer, reader, checkpointer };
  const giveSpaceBack = () => checkpoints.giveSpaceBack();
  const contents = new ContentFiles(options.files, `${options.directory}/content`, incarnation);
  try {
    await contents.prepare();
  } catch (error) {
    await Promise.all(Object.values(threads).map((thread) => thread.close()));
    throw asSpoolError(error);
  }
  if (recovered > 0) options.log.event("spool-recovered", { recipients: recovered });
  return new SqliteSpool(options, threads, { contents, giveSpaceBack });
}

/** SQLite would make a file that all may read; made empty by us, it and its log are the owner's alone. */
async function makePrivate(files: Files, path: string, directory: string): Promise<void> {
  try {
    if ((await files.stat(path)) !== undefined) return;
    await (await files.open(path, "create", 0o600)).close();
    await files.syncDirectory(directory);
  } catch (error) {
    throw asSpoolError(error);
  }
}
