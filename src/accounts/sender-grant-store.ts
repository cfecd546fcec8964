/** Grants made by `posthaste user grant`, kept among the spool's records in the data directory. */
import type { RecordStore } from "../spool/record-pages.ts";
import { grantKey, type SenderGrant } from "./sender-grants.ts";
import { fieldsOf, readAll } from "./stored-records.ts";

const namespace = "sender-grants";
/** Version of the stored form. */
const version = 1;

export class SenderGrantStore {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  async list(): Promise<readonly SenderGrant[]> {
    return await readAll(this.#records, namespace, readGrant);
  }

  async add(grant: SenderGrant): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key: keyOf(grant), value: { version, ...grant } }]);
  }

  async remove(grants: readonly SenderGrant[]): Promise<void> {
    if (grants.length === 0) return;
    await this.#records.changeRecords(grants.map((grant) => ({ kind: "delete", namespace, key: keyOf(grant) })));
  }
}

function keyOf({ user, address }: SenderGrant): string {
  return `${user} ${grantKey(address) ?? address}`;
}

function readGrant(key: string, value: unknown): SenderGrant {
  const { version: stored, user, address, createdAt } = fieldsOf(value);
  const whole = typeof user === "string" && typeof address === "string" && typeof createdAt === "number";
  if (stored === version && whole) return { user, address, createdAt };
  throw new Error(`the stored grant ${key} cannot be read: written by a newer version, or damaged`);
}
