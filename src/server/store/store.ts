/** What a server keeps on disk: the data folder, its lock, and the spool in it. */
import { QueueIds } from "../../spool/queue-id.ts";
import type { Spool } from "../../spool/spool.ts";
import type { Opening } from "../plan/part.ts";
import { prepareDataDir } from "./data-dir.ts";

export interface Store {
  readonly spool: Spool;
  /** Gives each message of this server its id. */
  readonly ids: QueueIds;
}

/** Rejects with `StartError` where the folder cannot be used, or another server has it. */
export async function openStore({ settings: { data_dir: dataDir }, ports, parts }: Opening): Promise<Store> {
  await prepareDataDir(dataDir, ports);
  const lock = ports.lock(dataDir);
  parts.add({ name: "data-dir", stop: () => lock.release() });
  const spool = await ports.openSpool(dataDir);
  parts.add({ name: "spool", stop: () => spool.close() });
  return { spool, ids: new QueueIds(ports.clock, ports.random) };
}
