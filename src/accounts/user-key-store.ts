/** Users' public keys, kept among the spool's records in the data directory. */
import type { RecordStore } from "../spool/record-pages.ts";
import { fieldsOf, readAll, StoredUses } from "./stored-records.ts";
import type { UserKey } from "./user-keys.ts";

const namespace = "user-keys";
const usesNamespace = "user-key-uses";
/** Version of the stored form. */
const version = 1;

export class UserKeyStore {
  readonly uses: StoredUses;
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
    this.uses = new StoredUses(records, usesNamespace);
  }

  /** In order of their digests. */
  async list(): Promise<readonly UserKey[]> {
    return await readAll(this.#records, namespace, readKey);
  }

  async add(key: UserKey): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key: key.sha256, value: { version, ...key } }]);
  }

  async remove(keys: readonly UserKey[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#records.changeRecords(
      keys.flatMap(({ sha256 }) => [{ kind: "delete", namespace, key: sha256 }, this.uses.removal(sha256)]),
    );
  }
}

function readKey(sha256: string, value: unknown): UserKey {
  const { version: stored, user, label, createdAt, expiresAt } = fieldsOf(value);
  const whole = typeof user === "string" && typeof label === "string" && typeof createdAt === "number";
  const endKnown = expiresAt === undefined || typeof expiresAt === "number";
  if (stored !== version || !whole || !endKnown) {
    throw new Error(`the stored key ${sha256} cannot be read: written by a newer version, or damaged`);
  }
  return {
    sha256,
    user,
    label,
    createdAt,
    ...(typeof expiresAt === "number" && { expiresAt }),
  };
}
