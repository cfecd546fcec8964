/** Users' public keys, kept among the spool's records in the data directory. */
import type { Instant } from "../lib/instant.ts";
import { recordPages, type RecordStore } from "../spool/record-pages.ts";
import type { UserKey } from "./user-keys.ts";

const namespace = "user-keys";
/** When each was used last: apart, so that a late note does not bring back a key that was removed. */
const usesNamespace = "user-key-uses";
/** Version of the stored form. */
const version = 1;

export class UserKeyStore {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** In order of their digests. */
  async list(): Promise<readonly UserKey[]> {
    const keys: UserKey[] = [];
    for await (const page of recordPages(this.#records, namespace)) {
      for (const { key, value } of page) keys.push(readKey(key, value));
    }
    return keys;
  }

  async add(key: UserKey): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key: key.sha256, value: { version, ...key } }]);
  }

  async remove(keys: readonly UserKey[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#records.changeRecords(
      keys.flatMap(({ sha256: key }) => [
        { kind: "delete", namespace, key },
        { kind: "delete", namespace: usesNamespace, key },
      ]),
    );
  }

  async noteUse(sha256: string, at: Instant): Promise<void> {
    await this.#records.changeRecords([
      { kind: "put", namespace: usesNamespace, key: sha256, value: { version, lastUsedAt: at } },
    ]);
  }

  async lastUse(sha256: string): Promise<Instant | undefined> {
    const value = await this.#records.getRecord(usesNamespace, sha256);
    const at = typeof value === "object" && value !== null && "lastUsedAt" in value ? value.lastUsedAt : undefined;
    return typeof at === "number" ? at : undefined;
  }
}

function readKey(sha256: string, value: unknown): UserKey {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const { user, label, createdAt, expiresAt } = fields;
  const whole = typeof user === "string" && typeof label === "string" && typeof createdAt === "number";
  const endKnown = expiresAt === undefined || typeof expiresAt === "number";
  if (fields["version"] !== version || !whole || !endKnown) {
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
