/**
 * Whether a submitted message may say it is from whom it says (RFC 6409 §6.1, RFC 5322 §3.6.2): every author belongs to the
 * login, or at least one does and Sender names the login. Mail programs show the first author, so with several the one who
 * really sent must stand somewhere. A From field that cannot be read is refused, since nobody can say whom it names (RFC
 * 6409 §5.1).
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { HeaderAddressCheck } from "../message/submission-edits.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

const accepted: Decision = { verdict: "accept", reason: "author-belongs-to-login" };

/** `mayUse`: for each author in their order, then for Sender. */
export function checkHeaderOwnership(check: HeaderAddressCheck, mayUse: readonly boolean[], login: string): Decision {
  if (check.kind === "bad") {
    const reason = `bad-${asciiLowerCase(check.field)}-field`;
    return { verdict: "reject", reply: reply(554, "5.6.0", check.reason), reason };
  }
  const authors = check.from.map((_, index) => mayUse[index] === true);
  if (!authors.includes(true)) return refused("You may not send as the address in From", login);
  if (check.sender !== undefined) {
    if (mayUse[check.from.length] === true) return accepted;
    return refused("You may not send as the address in Sender", login);
  }
  if (!authors.includes(false)) return accepted;
  return refused("You may not send as every address in From; add a Sender field with your own address", login);
}

function refused(text: string, login: string): Decision {
  return {
    verdict: "reject",
    reply: reply(550, "5.7.1", text),
    reason: "author-not-of-login",
    setting: `user ${login}`,
  };
}
