/**
 * The form that rows of the spool's tables have. SQLite notices no octet that has changed within a value; what has not the
 * form of its table any more, or contradicts itself, is known here.
 */
import { parseMailbox } from "../../address/mailbox-text.ts";
import type { StoredRow, Value } from "../spool/database-rows.ts";
import { heldState, storedStates } from "../spool/protocol.ts";

/** Tables whose rows are read; all others follow from them. */
export type SavedTable =
  | "messages"
  | "open_messages"
  | "closed_messages"
  | "contents"
  | "content_files"
  | "recipients"
  | "events"
  | "records"
  | "captured"
  | "captured_state"
  | "state"
  | "message_ids";

/** The row as its table's columns, a row id in the place of its column. */
export interface SavedRow {
  readonly table: SavedTable;
  readonly values: readonly Value[];
  /** It contradicts itself. */
  readonly doubt?: string;
}

type Columns = readonly ((value: Value | undefined) => boolean)[];

const integer = (value: Value | undefined) => Number.isSafeInteger(value);
const natural = (value: Value | undefined) => integer(value) && Number(value) >= 0;
const text = (value: Value | undefined) => typeof value === "string";
const orNull = (form: Columns[number]) => (value: Value | undefined) => value === null || form(value);
const octets = (value: Value | undefined) => value instanceof Uint8Array;
const json = (value: Value | undefined) => typeof value === "string" && parsed(value) !== undefined;
const queueId = (value: Value | undefined) => typeof value === "string" && /^[0-9A-HJKMNP-TV-Z]{12}$/.test(value);
const state = (value: Value | undefined) => natural(value) && Number(value) < storedStates.length;

interface Form {
  readonly columns: Columns;
  /** Its first column is the row id. */
  readonly hasRowId: boolean;
  /** Values of the last columns where a row is older than they are. */
  readonly added?: readonly Value[];
  /** Otherwise it is no such row. */
  readonly agrees?: (values: readonly Value[]) => boolean;
  readonly doubt?: (values: readonly Value[]) => string | undefined;
}

const forms: Readonly<Record<SavedTable, Form>> = {
  messages: { columns: [natural, queueId, text, json], hasRowId: true, agrees: messageAgrees },
  open_messages: { columns: [natural, natural], hasRowId: true },
  closed_messages: { columns: [natural, natural], hasRowId: false },
  contents: { columns: [natural, octets], hasRowId: true },
  content_files: { columns: [natural, natural], hasRowId: true },
  recipients: {
    columns: [
      natural,
      state,
      natural,
      natural,
      orNull(natural),
      (value) => value === 0 || value === 1,
      orNull(natural),
      text,
      text,
      orNull(text),
      orNull(json),
      orNull(text),
      orNull(text),
      orNull(text),
      text,
    ],
    hasRowId: true,
    // Rows from before format 3, and what was final then, have no sender.
    added: [""],
    agrees: ([, number, , , , , finalAt]) => Number(number) > heldState === (finalAt !== null),
    doubt: doubtOfRecipient,
  },
  events: { columns: [natural, queueId, json], hasRowId: true, agrees: eventAgrees },
  records: { columns: [text, text, json, orNull(integer)], hasRowId: false },
  captured: { columns: [natural, queueId, orNull(natural), natural, json], hasRowId: true, agrees: entryAgrees },
  captured_state: { columns: [natural, natural, natural], hasRowId: true },
  state: { columns: [natural, natural, integer, integer, integer], hasRowId: true },
  message_ids: { columns: [queueId, natural], hasRowId: false },
};

/** Rows of these say by themselves whose they are. */
const strayTables = ["messages", "recipients", "events", "records", "contents", "captured"] as const;

/** undefined: it has not the form of the table; without a table, of none. */
export function savedRow(row: StoredRow, table: SavedTable | undefined): SavedRow | undefined {
  if (table !== undefined) return savedAs(row, table);
  for (const candidate of strayTables) {
    const saved = savedAs(row, candidate);
    if (saved !== undefined) return saved;
  }
  return undefined;
}

function savedAs({ rowid, values: stored }: StoredRow, table: SavedTable): SavedRow | undefined {
  const { columns, hasRowId, added = [], agrees, doubt: doubtOf } = forms[table];
  const isOlder = stored.length === columns.length - added.length;
  if (hasRowId !== (rowid !== undefined) || (stored.length !== columns.length && !isOlder)) return undefined;
  if (hasRowId && stored[0] !== null) return undefined;
  const whole = isOlder ? [...stored, ...added] : stored;
  const values = rowid === undefined ? whole : [rowid, ...whole.slice(1)];
  if (!columns.every((isOfForm, column) => isOfForm(values[column]))) return undefined;
  if (agrees?.(values) === false) return undefined;
  const doubt = doubtOf?.(values);
  return { table, values, ...(doubt !== undefined && { doubt }) };
}

function messageAgrees([, id, reversePath, message]: readonly Value[]): boolean {
  const told = parsed(message);
  if (told === undefined || told["id"] !== id || told["reversePath"] !== reversePath) return false;
  return natural(told["size"] as Value) && typeof told["headerBlock"] === "string" && told["facts"] instanceof Object;
}

function doubtOfRecipient([, , , , , , , address, domain]: readonly Value[]): string | undefined {
  const mailbox = parseMailbox(String(address));
  return mailbox === undefined || mailbox.domainKey === domain ? undefined : "its address and its domain differ";
}

function eventAgrees([, id, event]: readonly Value[]): boolean {
  const told = parsed(event);
  return told !== undefined && told["message"] === id && typeof told["kind"] === "string";
}

function entryAgrees([, id, , , entry]: readonly Value[]): boolean {
  const told = parsed(entry);
  return told !== undefined && told["id"] === id && Array.isArray(told["to"]);
}

/** An object, or any other value as one without members; undefined: it is no JSON. */
function parsed(value: Value | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    return Object(JSON.parse(String(value))) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
