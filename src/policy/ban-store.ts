/**
 * Bans and the networks of users among the spool's records, so that a restart neither lifts a ban nor bans a home. A ban is
 * written once, a network of users at most once a day. What cannot be written is logged and kept in memory.
 */
import type { Instant } from "../lib/instant.ts";
import { recordPages } from "../spool/record-pages.ts";
import type { RecordChange, Spool, StoredRecord } from "../spool/spool.ts";
import { type Ban, memoryMs, type Offence, offences, signedInLatelyMs } from "./bans.ts";

type RecordStore = Pick<Spool, "listRecords" | "changeRecords">;

const bansNamespace = "bans";
const signedInNamespace = "signed-in-networks";
/** Version of the stored form. */
const version = 1;

export class BanStore {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  async read(): Promise<{
    readonly bans: readonly Ban[];
    readonly signedIn: readonly (readonly [network: string, at: Instant])[];
  }> {
    const bans = (await this.#list(bansNamespace)).flatMap(({ value }) => readBan(value) ?? []);
    const signedIn = (await this.#list(signedInNamespace)).flatMap(({ key, value }) => {
      const { at } = fieldsOf(value);
      return typeof at === "number" ? [[key, at] as const] : [];
    });
    return { bans, signedIn };
  }

  putBan(ban: Ban): Promise<void> {
    const key = `${ban.service} ${ban.network}`;
    const expiresAt = ban.until + memoryMs(ban);
    return this.#change({ kind: "put", namespace: bansNamespace, key, value: { version, ...ban }, expiresAt });
  }

  /** Of both services. */
  removeBans(network: string): Promise<void> {
    const remove = (service: Ban["service"]) =>
      ({ kind: "delete", namespace: bansNamespace, key: `${service} ${network}` }) as const;
    return this.#change(remove("mail"), remove("submission"));
  }

  putSignedIn(network: string, at: Instant): Promise<void> {
    const expiresAt = at + signedInLatelyMs;
    return this.#change({ kind: "put", namespace: signedInNamespace, key: network, value: { version, at }, expiresAt });
  }

  async #list(namespace: string): Promise<readonly StoredRecord[]> {
    const records: StoredRecord[] = [];
    for await (const page of recordPages(this.#records, namespace)) records.push(...page);
    return records;
  }

  #change(...changes: readonly RecordChange[]): Promise<void> {
    return this.#records.changeRecords(changes);
  }
}

/** undefined: a newer version wrote it, or it is damaged; nobody is banned for that. */
function readBan(value: unknown): Ban | undefined {
  const fields = fieldsOf(value);
  const { network, service, offence, client, times, since, until } = fields;
  if (fields["version"] !== version || (service !== "mail" && service !== "submission")) return undefined;
  if (typeof network !== "string" || typeof client !== "string" || typeof times !== "number") return undefined;
  if (typeof since !== "number" || typeof until !== "number" || !isOffence(offence)) return undefined;
  return { network, service, offence, client, times, since, until };
}

function isOffence(value: unknown): value is Offence {
  return offences.some((offence) => offence === value);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
}
