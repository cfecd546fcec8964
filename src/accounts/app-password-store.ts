/** Users' app passwords, kept among the spool's records in the data directory; never the passwords themselves. */
import { type AppPassword, appPasswordScopes } from "./app-passwords.ts";
import type { RecordStore } from "../spool/record-pages.ts";
import { fieldsOf, readAll, StoredUses } from "./stored-records.ts";

const namespace = "app-passwords";
const usesNamespace = "app-password-uses";
/** Version of the stored form. */
const version = 1;

export class AppPasswordStore {
  readonly uses: StoredUses;
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
    this.uses = new StoredUses(records, usesNamespace);
  }

  /** In order of their ids. */
  async list(): Promise<readonly AppPassword[]> {
    return await readAll(this.#records, namespace, readAppPassword);
  }

  async add({ id, ...more }: AppPassword): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key: id, value: { version, ...more } }]);
  }

  async remove(all: readonly AppPassword[]): Promise<void> {
    if (all.length === 0) return;
    await this.#records.changeRecords(
      all.flatMap(({ id }) => [{ kind: "delete", namespace, key: id }, this.uses.removal(id)]),
    );
  }
}

function readAppPassword(id: string, value: unknown): AppPassword {
  const { version: stored, user, label, scopes, scram, createdAt } = fieldsOf(value);
  const known = Array.isArray(scopes) ? appPasswordScopes.filter((scope) => scopes.includes(scope)) : [];
  const whole = typeof user === "string" && typeof label === "string" && typeof createdAt === "number";
  const verifiers = Array.isArray(scram) ? scram.filter((text) => typeof text === "string") : undefined;
  if (stored !== version || !whole || verifiers === undefined) {
    throw new Error(`the stored app password ${id} cannot be read: written by a newer version, or damaged`);
  }
  return { id, user, label, scopes: known, scram: verifiers, createdAt };
}
