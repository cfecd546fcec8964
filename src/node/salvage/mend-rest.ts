/** What belongs to no message that is left, and the tables that follow from others. */
import type { DatabaseSync } from "node:sqlite";
import { termsOf } from "../../spool/captured-filter.ts";
import { heldState } from "../spool/protocol.ts";
import { owedNamespace } from "../spool/owed.ts";
import { Query } from "../spool/query.ts";
import { entryFromJson } from "../spool/rows.ts";
import { fillLanes, firstKey, lastKey, setSenders } from "../spool/schema.ts";
import type { MessageMender } from "./mend-messages.ts";
import type { SavedFiles } from "./saved-files.ts";

type Column = null | number | string;

/** Recipients, content and history of messages whose own row is lost: nobody knows how such a message leaves. */
export function leaveOrphansApart(database: DatabaseSync, mender: MessageMender, files: SavedFiles): void {
  const { lost } = mender.losses;
  const orphans = new Query<[seq: number, id: string | null]>(
    database,
    `SELECT o.seq, i.id FROM (
        SELECT key / 65536 AS seq FROM recipients UNION SELECT seq FROM contents UNION SELECT seq FROM content_files
        UNION SELECT seq FROM message_ids
      ) o LEFT JOIN message_ids i ON i.seq = o.seq
      WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.seq = o.seq) ORDER BY o.seq`,
  );
  const recipientsOf = new Query<[index: number, state: number, address: string, ...Column[]]>(
    database,
    `SELECT key & 65535, state, address, accepted_as, parameters, attempts, last_reply FROM recipients
      WHERE key BETWEEN ? AND ? ORDER BY key`,
  );
  const eventsOf = new Query<[event: string]>(database, "SELECT event FROM events WHERE message = ? ORDER BY n");
  for (const [seq, id] of orphans.all()) {
    const recipients = recipientsOf.all(firstKey(seq), lastKey(seq));
    const name = id ?? `number-${seq}`;
    const waiting = recipients.filter(([, state]) => state <= heldState).length;
    const content = mender.contentOf(seq, id ?? undefined, undefined);
    const events = id === null ? [] : eventsOf.all(id).map(([event]) => JSON.parse(event) as unknown);
    if (content !== undefined) files.leaveApart(`${name}.eml`, content);
    if (content !== undefined || waiting > 0) {
      files.leaveApart(`${name}.json`, `${JSON.stringify({ seq, id, recipients, events }, undefined, 2)}\n`);
    }
    const what = `the message itself: from whom it is, and how it leaves; ${waiting} of its recipients waited`;
    lost.push({ message: id ?? `number ${seq}`, what });
  }
  const without = "NOT IN (SELECT seq FROM messages)";
  database.exec(`
    DELETE FROM recipients WHERE key / 65536 ${without};
    DELETE FROM contents WHERE seq ${without};
    DELETE FROM content_files WHERE seq ${without};
    DELETE FROM events WHERE message NOT IN (SELECT id FROM messages);
  `);
}

/** Entries whose message is lost go, since their content is left apart; what filters look for is made anew. */
export function mendCaptured(database: DatabaseSync, mender: MessageMender, files: SavedFiles): void {
  const { lost } = mender.losses;
  const gone = new Query<[id: string]>(
    database,
    "DELETE FROM captured WHERE seq IS NOT NULL AND seq NOT IN (SELECT seq FROM messages) RETURNING id",
  );
  for (const [id] of gone.all()) lost.push({ message: id, what: "its place in the captured mail" });
  const inFolder = new Query<[id: string]>(database, "SELECT id FROM captured WHERE seq IS NULL");
  for (const [id] of inFolder.all()) {
    if (!files.keepCaptured(id)) lost.push({ message: id, what: "its content; it is captured mail" });
  }
  const page = new Query<[arrival: number, entry: string]>(
    database,
    "SELECT arrival, entry FROM captured WHERE arrival > ? ORDER BY arrival LIMIT 500",
  );
  const insert = database.prepare("INSERT OR IGNORE INTO captured_terms VALUES (?, ?)");
  for (let rows = page.all(-1); rows.length > 0; rows = page.all(rows.at(-1)?.[0] ?? 0)) {
    for (const [arrival, json] of rows) for (const term of termsOf(entryFromJson(json))) insert.run(term, arrival);
  }
}

/** A report that perhaps left already is not made again. */
export function leaveOwedReportsApart(database: DatabaseSync, mender: MessageMender, files: SavedFiles): void {
  const owed = new Query<[key: string, value: string]>(
    database,
    "DELETE FROM records WHERE namespace = ? RETURNING key, value",
  ).all(owedNamespace);
  if (owed.length === 0) return;
  const reports = owed.map(([key, value]) => ({ key, value: JSON.parse(value) as unknown }));
  files.leaveApart("owed-reports.json", `${JSON.stringify(reports, undefined, 2)}\n`);
  for (const [key] of owed) {
    const message = key.split("/")[0] ?? key;
    mender.losses.lost.push({ message, what: "a report that it was owed, which may have been sent already" });
  }
}

/** `arrivals`: the last number that was given to captured mail, where other tables do not know it. */
export function deriveTables(database: DatabaseSync): void {
  database.exec(`
    ${setSenders}
    INSERT INTO domains SELECT domain, min(due) FROM recipients WHERE state = 0 GROUP BY domain;
    DELETE FROM lanes;
    ${fillLanes}
    UPDATE state SET
      scheduled = (SELECT count(*) FROM recipients WHERE state = 0),
      claimed = 0,
      held = (SELECT count(*) FROM recipients WHERE state = 2);
    UPDATE captured_state SET
      last_arrival = max(last_arrival, (SELECT coalesce(max(arrival), 0) FROM captured)),
      entries = (SELECT count(*) FROM captured);
  `);
}
