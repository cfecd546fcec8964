/**
 * Which header fields a signature of ours covers: the list of h= (RFC 6376 §5.4).
 *
 * Fields that people or programs act upon are over-signed: named once more than they occur, so that nobody can put
 * another one above the signed one (RFC 6376 §8.15). Fields that an honest list or forwarder adds are signed as they
 * are. Trace fields and what servers write themselves are left out, since they change on the way.
 */
import type { HeaderSection } from "../message/header-section.ts";

const overSigned = [
  "from",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
  "reply-to",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "in-reply-to",
  "references",
] as const;

/** List-Unsubscribe and List-Unsubscribe-Post count for receivers only where they are signed (RFC 8058 §3.1). */
const signedAsPresent = new Set([
  "sender",
  "resent-date",
  "resent-from",
  "resent-sender",
  "resent-to",
  "resent-cc",
  "resent-message-id",
  "list-id",
  "list-help",
  "list-unsubscribe",
  "list-unsubscribe-post",
  "list-subscribe",
  "list-post",
  "list-owner",
  "list-archive",
  "feedback-id",
  "auto-submitted",
]);

/** A message re-sent several times through lists has some forty; a list beyond that is someone's experiment. */
const namesMax = 120;

/** Lower-case names in the order of h=, or undefined where there would be too many. `header` has one From field. */
export function signedFieldNames(header: HeaderSection): readonly string[] | undefined {
  const names: string[] = [];
  const counts = new Map<string, number>();
  for (const { name } of header.fields) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const name of overSigned) {
    const times = (counts.get(name) ?? 0) + 1;
    if (names.length + times > namesMax) return undefined;
    for (let time = 0; time < times; time++) names.push(name);
  }
  for (const [name, times] of counts) {
    if (!signedAsPresent.has(name)) continue;
    if (names.length + times > namesMax) return undefined;
    for (let time = 0; time < times; time++) names.push(name);
  }
  return names;
}
