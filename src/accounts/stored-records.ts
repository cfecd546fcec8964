/** What the stores of accounts have in common: reading a whole namespace of the spool's records, and notes of last use. */
import type { Instant } from "../lib/instant.ts";
import { recordPages, type RecordStore } from "../spool/record-pages.ts";
import type { RecordChange } from "../spool/spool.ts";

/** Version of the stored form of a last use. */
const version = 1;

/** In order of keys. `read` throws where a record cannot be read. */
export async function readAll<T>(
  records: Pick<RecordStore, "listRecords">,
  namespace: string,
  read: (key: string, value: unknown) => T,
): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const page of recordPages(records, namespace)) all.push(...page.map(({ key, value }) => read(key, value)));
  return all;
}

/** The fields of a stored value; none where it is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
}

/** When each credential was used last: apart from it, so that a late note does not bring back one that was removed. */
export class StoredUses {
  readonly #records: RecordStore;
  readonly #namespace: string;

  constructor(records: RecordStore, namespace: string) {
    this.#records = records;
    this.#namespace = namespace;
  }

  async note(key: string, at: Instant): Promise<void> {
    await this.#records.changeRecords([
      { kind: "put", namespace: this.#namespace, key, value: { version, lastUsedAt: at } },
    ]);
  }

  async last(key: string): Promise<Instant | undefined> {
    const { lastUsedAt } = fieldsOf(await this.#records.getRecord(this.#namespace, key));
    return typeof lastUsedAt === "number" ? lastUsedAt : undefined;
  }

  /** What removes the note together with its credential. */
  removal(key: string): RecordChange {
    return { kind: "delete", namespace: this.#namespace, key };
  }
}
