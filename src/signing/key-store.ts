/**
 * Signing keys among the spool's records in the data directory: those that `posthaste dkim` made, with their private
 * halves, and of declared ones what DNS has said so far, so that a restart need not wait for it.
 */
import type { SigningAlgorithm } from "../dkim/signing-key.ts";
import type { Instant } from "../lib/instant.ts";
import { recordPages, type RecordStore } from "../spool/record-pages.ts";
import type { RecordChange } from "../spool/spool.ts";
import type { KeyState, Sighting } from "./key-lifecycle.ts";

export interface StoredKey {
  /** A-labels, lower case. */
  readonly domain: string;
  /** Lower case. */
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly createdAt: Instant;
  /** PKCS#8 PEM. Absent: the key is declared in the configuration, retired, or removed. */
  readonly privateKey?: string;
  readonly declared?: true;
  /** What is to be published. */
  readonly record: string;
  readonly state: KeyState;
  /** What DNS said last. */
  readonly dns?: { readonly at: Instant; readonly sighting: Sighting };
}

const namespace = "dkim-keys";
/** Version of the stored form. */
const version = 1;

export class KeyStore {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** By domain, then selector. Rejects where one cannot be read. */
  async list(): Promise<readonly StoredKey[]> {
    const keys: StoredKey[] = [];
    for await (const page of recordPages(this.#records, namespace)) {
      for (const { key, value } of page) keys.push(readKey(key, value));
    }
    return keys;
  }

  /** One transaction. */
  async change(changes: {
    readonly put?: readonly StoredKey[];
    readonly remove?: readonly StoredKey[];
  }): Promise<void> {
    const records: RecordChange[] = [
      ...(changes.put ?? []).map((key) => {
        return { kind: "put", namespace, key: keyName(key), value: { version, ...key } } as const;
      }),
      ...(changes.remove ?? []).map((key) => ({ kind: "delete", namespace, key: keyName(key) }) as const),
    ];
    if (records.length > 0) await this.#records.changeRecords(records);
  }
}

/** Identifies a key: a selector names one key of its domain. */
export function keyName({ domain, selector }: Pick<StoredKey, "domain" | "selector">): string {
  return `${domain} ${selector}`;
}

/** Whether it could sign. Without its private half a key is retired, or removed and waits for the end of its record. */
export function hasPrivateHalf({ declared, privateKey }: StoredKey): boolean {
  return declared === true || privateKey !== undefined;
}

function readKey(name: string, value: unknown): StoredKey {
  if (isStored(value)) {
    const { version: _, ...key } = value;
    return key;
  }
  throw new Error(`the stored DKIM key ${name} cannot be read: written by a newer version, or damaged`);
}

/** What this version wrote is whole; what another wrote is told apart by its version. */
function isStored(value: unknown): value is StoredKey & { readonly version: typeof version } {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const state = fields["state"] as Readonly<Record<string, unknown>> | null | undefined;
  return (
    fields["version"] === version &&
    ["domain", "selector", "algorithm", "record"].every((name) => typeof fields[name] === "string") &&
    typeof fields["createdAt"] === "number" &&
    (fields["privateKey"] === undefined || typeof fields["privateKey"] === "string") &&
    typeof state === "object" &&
    state !== null &&
    typeof state["kind"] === "string"
  );
}
