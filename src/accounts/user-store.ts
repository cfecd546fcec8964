/**
 * Users made by `posthaste user`, kept among the spool's records in the data directory. Knows nothing of the configuration
 * file; `user-administration.ts` sees to it that an address is in one place only.
 */
import type { Instant } from "../lib/instant.ts";
import type { Random } from "../ports/random.ts";
import type { RecordStore } from "../spool/record-pages.ts";
import { AppPasswordStore } from "./app-password-store.ts";
import { SenderGrantStore } from "./sender-grant-store.ts";
import { fieldsOf, readAll } from "./stored-records.ts";
import { UserKeyStore } from "./user-key-store.ts";

export interface StoredUser {
  /** As given when the user was made. */
  readonly address: string;
  /** argon2id in PHC form, or SCRAM verifiers. */
  readonly passwords: readonly string[];
  /** SCRAM verifiers of the same passwords; absent in users that older versions made. */
  readonly scram?: readonly string[];
  readonly createdAt: Instant;
}

const namespace = "users";
/** Version of the stored form. */
const version = 1;
/** What belongs to the sign-in of all users. */
const signInNamespace = "sign-in";
const decoyKeyBytes = 32;

export class UserStore {
  readonly keys: UserKeyStore;
  readonly appPasswords: AppPasswordStore;
  readonly grants: SenderGrantStore;
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
    this.keys = new UserKeyStore(records);
    this.appPasswords = new AppPasswordStore(records);
    this.grants = new SenderGrantStore(records);
  }

  /** In order of keys. */
  async list(): Promise<readonly StoredUser[]> {
    return await readAll(this.#records, namespace, readUser);
  }

  async get(key: string): Promise<StoredUser | undefined> {
    const value = await this.#records.getRecord(namespace, key);
    return value === undefined ? undefined : readUser(key, value);
  }

  /** Adds or replaces. `key`: see `mailboxKey`. */
  async put(key: string, user: StoredUser): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key, value: { version, ...user } }]);
  }

  async remove(key: string): Promise<void> {
    await this.#records.changeRecords([{ kind: "delete", namespace, key }]);
  }

  /** From which salts of names that nobody has are made; made once, and kept, since they must not change. */
  async decoyKey(random: Random): Promise<Uint8Array> {
    const stored = await this.#records.getRecord(signInNamespace, "decoy-key");
    const text = fieldsOf(stored)["octets"];
    if (typeof text === "string") return Buffer.from(text, "base64");
    const made = random.bytes(decoyKeyBytes);
    const value = { version, octets: Buffer.from(made).toString("base64") };
    await this.#records.changeRecords([{ kind: "put", namespace: signInNamespace, key: "decoy-key", value }]);
    return made;
  }
}

function readUser(key: string, value: unknown): StoredUser {
  if (isStored(value)) {
    const { address, passwords, scram, createdAt } = value;
    return { address, passwords, ...(scram !== undefined && { scram }), createdAt };
  }
  throw new Error(`the stored user ${key} cannot be read: written by a newer version, or damaged`);
}

function isStored(value: unknown): value is StoredUser & { readonly version: typeof version } {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return (
    fields["version"] === version &&
    typeof fields["address"] === "string" &&
    typeof fields["createdAt"] === "number" &&
    isTextList(fields["passwords"]) &&
    (fields["scram"] === undefined || isTextList(fields["scram"]))
  );
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
