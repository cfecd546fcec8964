/**
 * Known senders among the spool's records, so that a restart delays nobody. First attempts are not kept: that would let
 * strangers write to the disk, and one more retry is all that a restart costs.
 */
import type { Instant } from "../../lib/instant.ts";
import { recordPages } from "../../spool/record-pages.ts";
import type { Spool } from "../../spool/spool.ts";
import { knownMs } from "./greylist.ts";

const namespace = "greylist";
/** Version of the stored form. */
const version = 1;

export class GreylistStore {
  readonly #records: Pick<Spool, "listRecords" | "changeRecords">;

  constructor(records: Pick<Spool, "listRecords" | "changeRecords">) {
    this.#records = records;
  }

  /** What cannot be read is left out: such a sender waits once more. */
  async read(): Promise<readonly (readonly [key: string, at: Instant])[]> {
    const known: (readonly [string, Instant])[] = [];
    for await (const page of recordPages(this.#records, namespace)) {
      for (const { key, value } of page) {
        const fields = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
        const { at } = fields;
        if (fields["version"] === version && typeof at === "number") known.push([key, at]);
      }
    }
    return known;
  }

  put(key: string, at: Instant): Promise<void> {
    const expiresAt = at + knownMs;
    return this.#records.changeRecords([{ kind: "put", namespace, key, value: { version, at }, expiresAt }]);
  }
}
