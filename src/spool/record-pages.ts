/** Reads the records of a namespace, a bounded number at a time. */
import type { Spool, StoredRecord } from "./spool.ts";

/** What keeps its own kind of things among the spool's records. */
export type RecordStore = Pick<Spool, "getRecord" | "listRecords" | "changeRecords">;

const usualPageRecords = 500;

/**
 * In order of keys; only those whose keys begin with `prefix`. Records of the pages that were given may be removed
 * meanwhile. Rejects where the spool does.
 */
export async function* recordPages(
  spool: Pick<Spool, "listRecords">,
  namespace: string,
  { prefix = "", limit = usualPageRecords }: { readonly prefix?: string; readonly limit?: number } = {},
): AsyncGenerator<readonly StoredRecord[], void, void> {
  let after = prefix;
  for (;;) {
    const page = await spool.listRecords(namespace, { limit, after });
    const matching = page.filter(({ key }) => key.startsWith(prefix));
    if (matching.length > 0) yield matching;
    if (page.length < limit || matching.length < page.length) return;
    after = page.at(-1)?.key ?? after;
  }
}
