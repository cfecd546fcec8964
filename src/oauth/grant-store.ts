/**
 * What users of relay hosts have consented to: refresh tokens, kept among the spool's records in the data directory, as
 * private keys are. Whoever reads the data directory can send mail in their names until they withdraw their consent.
 */
import type { Instant } from "../lib/instant.ts";
import type { Spool } from "../spool/spool.ts";

/** Which provider (`[[oauth.client]]`), and whose account there. */
export interface GrantName {
  readonly client: string;
  readonly username: string;
}

export interface Grant extends GrantName {
  readonly refreshToken: string;
  readonly since: Instant;
  /** The provider says that the consent is gone: nothing but a new login helps. */
  readonly gone?: { readonly at: Instant; readonly reason: string };
}

export type GrantRecords = Pick<Spool, "getRecord" | "listRecords" | "changeRecords">;

const namespace = "oauth-grants";
/** Version of the stored form. */
const version = 1;
/** One for each account at a relay host; more than this many are not listed. */
const listedMax = 1000;

export class GrantStore {
  readonly #records: GrantRecords;

  constructor(records: GrantRecords) {
    this.#records = records;
  }

  async list(): Promise<readonly Grant[]> {
    const page = await this.#records.listRecords(namespace, { limit: listedMax });
    return page.map(({ key, value }) => readGrant(key, value));
  }

  async get(name: GrantName): Promise<Grant | undefined> {
    const key = keyOf(name);
    const value = await this.#records.getRecord(namespace, key);
    return value === undefined ? undefined : readGrant(key, value);
  }

  async put(grant: Grant): Promise<void> {
    await this.#records.changeRecords([{ kind: "put", namespace, key: keyOf(grant), value: { version, ...grant } }]);
  }

  async remove(name: GrantName): Promise<void> {
    await this.#records.changeRecords([{ kind: "delete", namespace, key: keyOf(name) }]);
  }
}

/** A client's name has no space. */
export function keyOf({ client, username }: GrantName): string {
  return `${client} ${username}`;
}

function readGrant(key: string, value: unknown): Grant {
  const {
    version: found,
    client,
    username,
    refreshToken,
    since,
    gone,
  } = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const isWhole =
    typeof client === "string" &&
    typeof username === "string" &&
    typeof refreshToken === "string" &&
    typeof since === "number";
  if (found !== version || !isWhole) {
    throw new Error(`the stored login "${key}" cannot be read: written by a newer version, or damaged`);
  }
  const grant = { client, username, refreshToken, since };
  return typeof gone === "object" && gone !== null ? { ...grant, gone: gone as NonNullable<Grant["gone"]> } : grant;
}
