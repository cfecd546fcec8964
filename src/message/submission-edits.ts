/**
 * What a submission server does to the header of what its own users send (RFC 6409 §8): it adds a Date, a Message-ID and
 * a From where they are missing, replaces a Message-ID that is none, completes an author without a domain, and removes Bcc. Nothing else is touched, and the
 * body never is. docs/lifecycle.md lists these edits; mail received on port 25 gets none of them (RFC 5321 §6.4).
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { Instant } from "../lib/instant.ts";
import { type MalformedAddressList, parseAddressList } from "./address-list.ts";
import { completedAuthor } from "./completed-author.ts";
import { formatDate } from "./date.ts";
import { type HeaderField, type HeaderSection, parseHeaderFields } from "./header-section.ts";
import { isValidMessageId } from "./message-id.ts";

export type SubmissionEdit =
  "date-added" | "message-id-added" | "message-id-replaced" | "from-added" | "author-completed" | "bcc-removed";

export interface SubmissionContext {
  readonly now: Instant;
  /** A new identifier, with its angle brackets; called at most once. */
  readonly makeMessageId: () => string;
  /** `local@domain` ready for the wire: the login's address, or the reverse-path. Absent: nobody to name. */
  readonly author?: string;
  /** `author` is the login's: it takes the place of an author without a domain. */
  readonly completesAuthors?: boolean;
  /** Bcc stays, for a test that looks for a leak: what is sent to a test inbox reaches nobody. */
  readonly keepHidden?: boolean;
}

export interface EditedHeader {
  /** The very object given, when nothing had to change. */
  readonly header: HeaderSection;
  readonly edits: readonly SubmissionEdit[];
}

/** Resent-Bcc is the same promise of the one who sent it again (RFC 5322 §3.6.6). */
const hiddenNames: ReadonlySet<string> = new Set(["bcc", "resent-bcc"]);

export function editSubmission(header: HeaderSection, context: SubmissionContext): EditedHeader {
  const edits: SubmissionEdit[] = [];
  const removed = new Set<HeaderField>();
  const messageIds: HeaderField[] = [];
  let hasDate = false;
  let hasFrom = false;
  for (const field of header.fields) {
    if (field.name === "date") hasDate = true;
    else if (field.name === "from") hasFrom = true;
    else if (field.name === "message-id") messageIds.push(field);
    else if (hiddenNames.has(field.name) && context.keepHidden !== true) removed.add(field);
  }
  if (removed.size > 0) edits.push("bcc-removed");

  let added = "";
  if (!hasDate) {
    added += `Date: ${formatDate(context.now)}\r\n`;
    edits.push("date-added");
  }
  if (!hasFrom && context.author !== undefined && context.author !== "") {
    added += `From: ${context.author}\r\n`;
    edits.push("from-added");
  }
  for (const [field, text] of completedAuthors(header, context)) {
    removed.add(field);
    added += text;
    if (!edits.includes("author-completed")) edits.push("author-completed");
  }
  const [messageId] = messageIds;
  if (messageIds.length !== 1 || messageId === undefined || !isValidMessageId(messageId.value)) {
    for (const field of messageIds) removed.add(field);
    added += `Message-ID: ${context.makeMessageId()}\r\n`;
    edits.push(messageIds.length === 0 ? "message-id-added" : "message-id-replaced");
  }
  if (edits.length === 0) return { header, edits };
  return { header: rewrite(header, added, removed), edits };
}

/** From and Sender, each if it is there once and names someone without a domain, with the field that replaces it. */
function completedAuthors(
  header: HeaderSection,
  { author = "", completesAuthors = false }: SubmissionContext,
): ReadonlyMap<HeaderField, string> {
  const completed = new Map<HeaderField, string>();
  if (!completesAuthors || author === "") return completed;
  for (const name of ["From", "Sender"] as const) {
    const fields = header.all(asciiLowerCase(name));
    const [field] = fields;
    if (field === undefined || fields.length > 1 || field.value.includes("@")) continue;
    const value = completedAuthor(field.value, author);
    if (value !== undefined) completed.set(field, `${name}: ${value}\r\n`);
  }
  return completed;
}

/** New fields go on top, where no signature and no order of the others is disturbed. */
function rewrite(header: HeaderSection, added: string, removed: ReadonlySet<HeaderField>): HeaderSection {
  const pieces: Buffer[] = [Buffer.from(added)];
  let keptFrom = 0;
  for (const field of removed.size === 0 ? [] : header.fields) {
    if (!removed.has(field)) continue;
    pieces.push(header.bytes.subarray(keptFrom, field.start));
    keptFrom = field.end;
  }
  pieces.push(header.bytes.subarray(keptFrom));
  return parseHeaderFields(Buffer.concat(pieces));
}

function placed(field: "From" | "Sender", { reason, at }: MalformedAddressList): string {
  return `${reason} (${field} field, character ${at + 1})`;
}

export type HeaderAddressCheck =
  | {
      readonly kind: "ok";
      /** At least one author. */
      readonly from: readonly Mailbox[];
      readonly sender?: Mailbox;
    }
  /** `reason`: short ASCII text for the reply, `554 5.6.0` (RFC 6409 §5.1). */
  | { readonly kind: "bad"; readonly field: "From" | "Sender"; readonly reason: string };

/**
 * Who a submitted message says it is from, for checking that against the login (RFC 6409 §6.1). Exactly one From field,
 * read whole or not at all: several, or one that can be read in two ways, are how an author is forged.
 */
export function checkHeaderAddresses(header: HeaderSection): HeaderAddressCheck {
  const fromFields = header.all("from");
  const [fromField] = fromFields;
  if (fromField === undefined) return { kind: "bad", field: "From", reason: "The message has no From field" };
  if (fromFields.length > 1) return { kind: "bad", field: "From", reason: "The message has several From fields" };
  const from = parseAddressList(fromField.value);
  if (from.kind === "malformed") return { kind: "bad", field: "From", reason: placed("From", from) };
  if (from.mailboxes.length === 0) return { kind: "bad", field: "From", reason: "The From field contains no address" };

  const senderFields = header.all("sender");
  const [senderField] = senderFields;
  if (senderField === undefined) return { kind: "ok", from: from.mailboxes.map(({ mailbox }) => mailbox) };
  if (senderFields.length > 1) return { kind: "bad", field: "Sender", reason: "The message has several Sender fields" };
  const sender = parseAddressList(senderField.value);
  if (sender.kind === "malformed") return { kind: "bad", field: "Sender", reason: placed("Sender", sender) };
  const [only] = sender.mailboxes;
  if (only === undefined || sender.mailboxes.length > 1) {
    return { kind: "bad", field: "Sender", reason: "The Sender field does not name exactly one mailbox" };
  }
  return { kind: "ok", from: from.mailboxes.map(({ mailbox }) => mailbox), sender: only.mailbox };
}
