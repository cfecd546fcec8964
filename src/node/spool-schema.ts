/**
 * The stored format of the SQLite spool: tables, indexes, and the numbered steps that lead from one version to the
 * next. `user_version` tells which step a file is at. docs/spool.md describes the tables.
 */
import type { DatabaseSync } from "node:sqlite";
import { SpoolError } from "../spool/spool.ts";

/** A message has at most so many recipients: a recipient's key is `seq * 65536 + index`. */
export const RECIPIENTS_MAX = 65_536;

/** "PHas" in ASCII: `file` and SQLite's tools show whose file it is. */
const APPLICATION_ID = 0x50486173;

/** Each step is one transaction and, once released, never edited. */
const steps: readonly string[] = [
  `
  -- One row: which process this is, and how many recipients are in each state that is not final.
  CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    held INTEGER NOT NULL
  ) STRICT;
  INSERT INTO state VALUES (1, 0, 0, 0, 0);

  -- seq is the order of arrival; message is the StoredMessage as JSON.
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    reverse_path TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  -- A message is in one of these two: with a recipient that is not final, or without.
  CREATE TABLE open_messages (seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL) STRICT;
  CREATE TABLE closed_messages (
    closed_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (closed_at, seq)
  ) STRICT, WITHOUT ROWID;

  -- Content of open messages only: small ones here, of larger ones the fact that there is a file.
  CREATE TABLE contents (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE content_files (seq INTEGER PRIMARY KEY, size INTEGER NOT NULL) STRICT;

  -- key = seq * 65536 + index. state: 0 scheduled, 1 claimed, 2 held, 3 delivered, 4 relayed, 5 failed, 6 expired, 7 removed.
  CREATE TABLE recipients (
    key INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    token INTEGER,
    warned INTEGER NOT NULL,
    final_at INTEGER,
    address TEXT NOT NULL,
    domain TEXT NOT NULL,
    accepted_as TEXT,
    parameters TEXT,
    last_reply TEXT,
    held_by TEXT,
    held_reason TEXT
  ) STRICT;
  CREATE INDEX recipients_scheduled ON recipients (domain, due) WHERE state = 0;

  -- For each domain with a scheduled recipient a time not after its earliest due time. A claim corrects it.
  CREATE TABLE domains (domain TEXT PRIMARY KEY, due INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX domains_due ON domains (due);

  CREATE TABLE claims (token INTEGER PRIMARY KEY, seq INTEGER NOT NULL, lease_end INTEGER NOT NULL) STRICT;
  CREATE INDEX claims_lease ON claims (lease_end);

  CREATE TABLE events (n INTEGER PRIMARY KEY, message TEXT NOT NULL, event TEXT NOT NULL) STRICT;
  CREATE INDEX events_message ON events (message);

  CREATE TABLE records (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (namespace, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
  `,
];

/** What this program writes. */
export const FORMAT_VERSION = steps.length;

/** Brings a database, new or of an older version, to this program's; refuses one of a newer program. */
export function migrate(database: DatabaseSync): void {
  let version = readVersion(database);
  if (version === 0) {
    // These take effect only before the first table is made.
    database.exec(`
      PRAGMA page_size = 4096;
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA application_id = ${APPLICATION_ID};
    `);
  }
  if (version > FORMAT_VERSION) {
    throw new SpoolError(
      "newer-format",
      `The spool has format ${version}; this program knows formats up to ${FORMAT_VERSION}`,
    );
  }
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  for (const step of steps.slice(version)) {
    version++;
    database.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version = ${version}; COMMIT;`);
  }
}

/** Columns of a recipient in the order of `RecipientRow`. */
export const recipientColumns = `key & 65535, state, due, attempts, warned, final_at, address, domain, accepted_as,
  parameters, last_reply, held_by, held_reason`;

export function firstKey(seq: number): number {
  return seq * RECIPIENTS_MAX;
}

export function lastKey(seq: number): number {
  return seq * RECIPIENTS_MAX + (RECIPIENTS_MAX - 1);
}

export function seqOf(key: number): number {
  return Math.floor(key / RECIPIENTS_MAX);
}

function readVersion(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}
