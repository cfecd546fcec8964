/**
 * What becomes of a header section before it is stored. A relay passes on what it gets (RFC 5321 §6.4), save
 * Authentication-Results fields that a client bears in our name (RFC 8601 §5): whoever reads the mailbox believes our
 * name. A submission is completed. The checks still see the message as it came.
 */
import { parseMailbox } from "../address/mailbox-text.ts";
import { bearsAuthservId } from "../message/authentication-results.ts";
import { type HeaderSection, parseHeaderFields } from "../message/header-section.ts";
import { makeMessageId, messageIdRandomBytes } from "../message/message-id.ts";
import { editSubmission } from "../message/submission-edits.ts";
import type { Envelope } from "./envelope.ts";
import type { HeaderEdit } from "./incoming-content.ts";
import type { ClientOrigin } from "./origin.ts";
import type { IntakeServices } from "./services.ts";

export type HeaderEditServices = Pick<IntakeServices, "authentication" | "clock" | "random">;

/** `undefined`: it stays as it came. */
export function headerEdit(
  services: HeaderEditServices,
  { trust, development, facts }: ClientOrigin,
  { envelope, hostname }: { readonly envelope: Envelope; readonly hostname: string },
): HeaderEdit | undefined {
  const { authentication, clock, random } = services;
  const submission: HeaderEdit | undefined =
    trust === "submitter"
      ? (header) => {
          const now = clock.now();
          const makeId = () => makeMessageId({ at: now, random: random.bytes(messageIdRandomBytes), host: hostname });
          const author = facts.login ?? envelope.reversePathText;
          const completesAuthors = facts.login !== undefined && parseMailbox(facts.login) !== undefined;
          const keepHidden = development === true;
          return editSubmission(header, { now, makeMessageId: makeId, author, completesAuthors, keepHidden }).header;
        }
      : undefined;
  if (authentication === undefined || (submission === undefined && trust !== "stranger")) return submission;
  if (submission !== undefined && development === true) return submission;
  return (header) => {
    const honest = withoutForgedResults(header, authentication.ownNames);
    return submission === undefined ? honest : submission(honest);
  };
}

/** The very object given where there is none. */
export function withoutForgedResults(header: HeaderSection, ids: readonly string[]): HeaderSection {
  const kept = header.fields.filter((field) => field.name !== "authentication-results" || !bearsAuthservId(field, ids));
  if (kept.length === header.fields.length) return header;
  return parseHeaderFields(Buffer.concat(kept.map(({ raw }) => raw)));
}
