/**
 * The TXT record at `_mta-sts` by which a domain says that it has a policy, and which (RFC 8461 §3.1). Exactly one record must be
 * of this kind, and it must follow the grammar to the letter; fields of later versions are passed over.
 */
import { trimBlanks } from "../lib/trim-blanks.ts";

export interface StsRecord {
  /** Changes whenever the policy does; nothing else is known of it. */
  readonly id: string;
}

export type StsRecordResult =
  | { readonly kind: "record"; readonly record: StsRecord }
  /** The domain has no such record. */
  | { readonly kind: "none" }
  /** What is wrong, as the end of a sentence. */
  | { readonly kind: "invalid"; readonly reason: string };

/** Far more than the fields that exist need. */
const lengthMax = 1000;
/** RFC 8461 §3.1: `sts-id`, `sts-ext-name` and `sts-ext-value`. */
const idField = /^id=([A-Za-z0-9]{1,32})$/;
const extensionField = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\u0021-\u003a\u003c\u003e-\u007e]+$/;

/** `texts`: the TXT records at the name, each with its strings joined. */
export function findStsRecord(texts: readonly string[]): StsRecordResult {
  const candidates = texts.filter(isStsRecord);
  const [only] = candidates;
  if (only === undefined) return { kind: "none" };
  if (candidates.length > 1) return invalid("there are several, so senders ignore them all");
  return parseStsRecord(only);
}

/** Whether a text counts as a record of this kind, right or wrong; others at the name are someone else's. */
export function isStsRecord(text: string): boolean {
  return /^v=STSv1[ \t]*;/.test(text);
}

export function parseStsRecord(text: string): StsRecordResult {
  if (text.length > lengthMax) return invalid(`it is longer than ${lengthMax} characters`);
  const [version, ...fields] = text.split(";").map(trimBlanks);
  if (version !== "v=STSv1" || !text.startsWith(version)) return invalid("it does not begin with v=STSv1");
  if (fields.at(-1) === "") fields.pop();
  if (fields.includes("")) return invalid("there is nothing between two of its semicolons");
  const broken = fields.find((field) => !field.startsWith("id=") && !extensionField.test(field));
  if (broken !== undefined) return invalid(`the field "${broken.slice(0, 60)}" breaks the grammar`);
  // RFC 8461 §3.2: of fields that are there twice, the first counts.
  const id = idField.exec(fields.find((field) => field.startsWith("id=")) ?? "")?.[1];
  return id === undefined
    ? invalid("it needs an id of at most 32 letters and digits")
    : { kind: "record", record: { id } };
}

function invalid(reason: string): StsRecordResult {
  return { kind: "invalid", reason };
}
