/**
 * Authentication-Results fields that a stranger's message bears in our name are removed from what is stored (RFC 8601
 * §5): whoever reads the mailbox believes our name. The checks still see the message as it came.
 */
import { bearsAuthservId } from "../message/authentication-results.ts";
import { type HeaderSection, parseHeaderFields } from "../message/header-section.ts";

/** The very object given where there is none. */
export function withoutForgedResults(header: HeaderSection, ids: readonly string[]): HeaderSection {
  const kept = header.fields.filter((field) => field.name !== "authentication-results" || !bearsAuthservId(field, ids));
  if (kept.length === header.fields.length) return header;
  return parseHeaderFields(Buffer.concat(kept.map(({ raw }) => raw)));
}
