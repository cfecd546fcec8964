/**
 * The stored format of the SQLite spool: tables, indexes, and the numbered steps that lead from one version to the
 * next and back. `user_version` tells which step a file is at. docs/spool.md describes the tables and the rules.
 */
import type { DatabaseSync } from "node:sqlite";
import { SpoolError } from "../../spool/spool.ts";
import { writeCapturedFiles } from "./captured-files.ts";
import { owedObstacle } from "./owed.ts";

/** A message has at most so many recipients: a recipient's key is `seq * 65536 + index`. */
export const recipientsMax = 65_536;

/** "PHas" in ASCII: `file` and SQLite's tools show whose file it is. */
const applicationId = 0x50486173;

/**
 * From one version to the next, as SQL. Each direction is one transaction and, once released, never edited. `down` loses
 * nothing that the version before can hold; a change that cannot be undone so is made in two versions.
 */
export interface FormatStep {
  readonly up: string;
  readonly down: string;
  /** What `down` cannot do: files of the older format, durable before its transaction. A crash after it repeats it. */
  readonly beforeDown?: (database: DatabaseSync) => void;
  /** Why the way back would lose something now; undefined: it would not. Asked before the first step of the way. */
  readonly obstacle?: (database: DatabaseSync) => string | undefined;
}

/** Before the first version there is nothing to go back to. */
export type FormatSteps = readonly [Pick<FormatStep, "up">, ...FormatStep[]];

/** As `senderOf` in spool/turns.ts has it. Part of a step: not to be edited. */
export const setSenders = `UPDATE recipients SET sender = coalesce(
    (SELECT CASE
        WHEN message ->> '$.origin.login' IS NOT NULL THEN 'login ' || (message ->> '$.origin.login')
        WHEN reverse_path = '' THEN '<>'
        ELSE 'from ' ||
          lower(substr(reverse_path, 1 + length(rtrim(reverse_path, replace(reverse_path, '@', '')))))
      END FROM messages WHERE seq = key / 65536), '')
    WHERE state <= 2;`;
/** Part of a step: not to be edited. */
export const fillLanes =
  "INSERT INTO lanes SELECT domain, sender, min(due) FROM recipients WHERE state = 0 GROUP BY domain, sender;";

export const formatSteps: FormatSteps = [
  {
    up: `
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
  },
  {
    // Captured mail had its listing among the records, under its queue id, and its content in a folder of its own.
    up: `
  -- One entry a message, in the order of arrival; entry is the CapturedEntry as JSON. A message that is not open and has
  -- an entry here is not in closed_messages, and keeps its content. seq NULL: the content is the file captured/ID.eml.
  CREATE TABLE captured (
    arrival INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    seq INTEGER UNIQUE,
    captured_at INTEGER NOT NULL,
    entry TEXT NOT NULL
  ) STRICT;
  CREATE INDEX captured_by_time ON captured (captured_at, arrival);
  -- What exact filters look for: a recipient, a sender, a subject.
  CREATE TABLE captured_terms (
    term TEXT NOT NULL,
    arrival INTEGER NOT NULL,
    PRIMARY KEY (term, arrival)
  ) STRICT, WITHOUT ROWID;
  -- One row: the last number given, since none is used twice, and how many entries there are.
  CREATE TABLE captured_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last_arrival INTEGER NOT NULL,
    entries INTEGER NOT NULL
  ) STRICT;

  INSERT INTO captured
    SELECT row_number() OVER (ORDER BY key), key, NULL,
      coalesce(unixepoch(value ->> '$.received_at'), 0) * 1000, json_set(value, '$.in_folder', json('true'))
    FROM records WHERE namespace = 'captured';
  INSERT OR IGNORE INTO captured_terms
    SELECT 't:' || substr(lower(recipient.value), 1, 200), arrival FROM captured, json_each(entry, '$.to') AS recipient;
  INSERT OR IGNORE INTO captured_terms
    SELECT 'f:' || substr(lower(entry ->> '$.from'), 1, 200), arrival FROM captured;
  INSERT OR IGNORE INTO captured_terms
    SELECT 's:' || substr(lower(entry ->> '$.subject'), 1, 200), arrival FROM captured;
  INSERT INTO captured_state SELECT 1, count(*), count(*) FROM captured;
  DELETE FROM records WHERE namespace = 'captured';
  `,
    down: `
  INSERT OR REPLACE INTO records
    SELECT 'captured', id, json_remove(entry, '$.authors', '$.forwarded', '$.in_folder'), NULL FROM captured;
  CREATE TEMP TABLE finished AS
    SELECT seq, captured_at FROM captured WHERE seq IS NOT NULL AND seq NOT IN (SELECT seq FROM open_messages);
  INSERT INTO closed_messages SELECT captured_at, seq FROM finished;
  DELETE FROM contents WHERE seq IN (SELECT seq FROM finished);
  DELETE FROM content_files WHERE seq IN (SELECT seq FROM finished);
  DROP TABLE finished;
  DROP TABLE captured_state;
  DROP TABLE captured_terms;
  DROP TABLE captured;
  `,
    beforeDown: writeCapturedFiles,
    obstacle: owedObstacle,
  },
  {
    // Whose turn a recipient takes: the account that logged in, else the domain of the reverse-path. What is final takes
    // none, and has ''.
    up: `
  ALTER TABLE recipients ADD COLUMN sender TEXT NOT NULL DEFAULT '';
  ${setSenders}
  DROP INDEX recipients_scheduled;
  CREATE INDEX recipients_scheduled ON recipients (domain, sender, due) WHERE state = 0;

  -- For each domain and sender with a scheduled recipient a time not after its earliest due time, and not before the
  -- domain's. Whoever looks at it corrects it.
  CREATE TABLE lanes (
    domain TEXT NOT NULL,
    sender TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (domain, sender)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX lanes_due ON lanes (domain, due);
  ${fillLanes}
  `,
    down: `
  DROP TABLE lanes;
  DROP INDEX recipients_scheduled;
  ALTER TABLE recipients DROP COLUMN sender;
  CREATE INDEX recipients_scheduled ON recipients (domain, due) WHERE state = 0;
  `,
  },
];

/** What this program writes. */
export const formatVersion = formatSteps.length;

/** Brings a database, new or of an older version, to this program's; refuses one of a newer program. */
export function migrate(database: DatabaseSync, known: FormatSteps = formatSteps): void {
  let version = readVersion(database);
  if (version === 0) {
    // These take effect only before the first table is made.
    database.exec(`
      PRAGMA page_size = 4096;
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA application_id = ${applicationId};
    `);
  }
  refuseNewer(database, version, known);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  for (const { up } of known.slice(version)) {
    version++;
    database.exec(`BEGIN IMMEDIATE; ${up} PRAGMA user_version = ${version}; COMMIT;`);
  }
}

/**
 * Takes a spool that nobody has open back to an older format, one step after the other, for an older program. Throws
 * {@link SpoolError} where it is newer than this program, not above `target`, or would lose something; a crash leaves it
 * between two steps.
 */
export function downgrade(database: DatabaseSync, target: number, known: FormatSteps = formatSteps): void {
  let version = readVersion(database);
  refuseNewer(database, version, known);
  if (target < 1 || target >= version) {
    const why = version === 1 ? "the first there was" : `which cannot be taken back to ${target}`;
    throw new SpoolError("failed", `the spool has format ${version}, ${why}`);
  }
  database.exec("PRAGMA synchronous = FULL;");
  const [, ...followers] = known;
  for (const { obstacle } of followers.slice(target - 1, version - 1)) {
    const why = obstacle?.(database);
    if (why !== undefined) throw new SpoolError("failed", why);
  }
  while (version > target) {
    const step = followers[version - 2];
    step?.beforeDown?.(database);
    version--;
    database.exec(`BEGIN IMMEDIATE; ${step?.down ?? ""} PRAGMA user_version = ${version}; COMMIT;`);
  }
}

/** 0: a new file. */
export function readVersion(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function refuseNewer(database: DatabaseSync, version: number, known: FormatSteps): void {
  if (version <= known.length) return;
  throw new SpoolError(
    "newer-format",
    `${database.location() ?? "the spool"} has format ${version}; this program knows formats up to ${known.length}`,
  );
}

/** Columns of a recipient in the order of `RecipientRow`. */
export const recipientColumns = `key & 65535, state, due, attempts, warned, final_at, address, domain, accepted_as,
  parameters, last_reply, held_by, held_reason`;

export function firstKey(seq: number): number {
  return seq * recipientsMax;
}

export function lastKey(seq: number): number {
  return seq * recipientsMax + (recipientsMax - 1);
}

export function seqOf(key: number): number {
  return Math.floor(key / recipientsMax);
}
