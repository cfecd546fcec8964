/**
 * Whether a submitted message may say it is from whom it says: Sender, where given, and at least one author belong to the
 * login (RFC 6409 §6.1, RFC 5322 §3.6.2). A From field that cannot be read is refused, since nobody can say whom it names
 * (RFC 6409 §5.1).
 */
import type { HeaderAddressCheck } from "../message/submission-edits.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

const accepted: Decision = { verdict: "accept", reason: "author-belongs-to-login" };

/** `mayUse`: for each author in their order, then for Sender. */
export function checkHeaderOwnership(check: HeaderAddressCheck, mayUse: readonly boolean[], login: string): Decision {
  if (check.kind === "bad") {
    const reason = `bad-${check.field.toLowerCase()}-field`;
    return { verdict: "reject", reply: reply(554, "5.6.0", check.reason), reason };
  }
  const authors = mayUse.slice(0, check.from.length);
  const sender = check.sender === undefined ? true : mayUse[check.from.length];
  if (authors.includes(true) && sender === true) return accepted;
  const field = authors.includes(true) ? "Sender" : "From";
  return {
    verdict: "reject",
    reply: reply(550, "5.7.1", `The address in ${field} does not belong to the login`),
    reason: "author-not-of-login",
    setting: `user ${login}`,
  };
}
