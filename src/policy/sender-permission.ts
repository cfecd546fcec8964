/**
 * Which reverse-paths are taken. A server that passes mail on may use any; a program that submits needs a login, a sender
 * that belongs to it, and a domain that the world can answer (RFC 6409 §4.2, §4.3, §6.1). The null reverse-path is never
 * refused for itself (RFC 6409 §3.2, RFC 5321 §6.1).
 */
import type { ForwardPath, ReversePath } from "../smtp/envelope.ts";
import { reply } from "../smtp/reply.ts";
import { isSubmission, type Client } from "./client.ts";
import type { Decision } from "./decision.ts";

const accepted: Decision = { verdict: "accept", reason: "sender-accepted" };
const ownSender: Decision = { verdict: "accept", reason: "sender-belongs-to-login" };
export const loginNeeded: Decision = {
  verdict: "reject",
  reply: reply(530, "5.7.0", "Authentication required"),
  reason: "login-needed",
};
const notFullyQualifiedSender: Decision = {
  verdict: "reject",
  reply: reply(554, "5.1.8", "The sender's domain is not fully qualified"),
  reason: "sender-domain-not-qualified",
};
const notFullyQualifiedRecipient: Decision = {
  verdict: "reject",
  reply: reply(554, "5.1.2", "The recipient's domain is not fully qualified"),
  reason: "recipient-domain-not-qualified",
};

/** What can be said without asking for the login's addresses; `undefined`: {@link checkSenderOwnership} decides. */
export function checkSender(reversePath: ReversePath, client: Client): Decision | undefined {
  if (!isSubmission(client)) return accepted;
  if (client.login === undefined) return loginNeeded;
  if (reversePath === null) return accepted;
  return isFullyQualified(reversePath.domainKey) ? undefined : notFullyQualifiedSender;
}

export function checkSenderOwnership(reversePath: string, login: string, mayUse: boolean): Decision {
  if (mayUse) return ownSender;
  return {
    verdict: "reject",
    reply: reply(550, "5.7.1", "You may not send as this sender"),
    reason: "sender-not-of-login",
    setting: `user ${login} may not send as ${reversePath}`,
  };
}

/** Submission only: `bob@sales` is never completed (RFC 6409 §4.2). `undefined`: nothing against it. */
export function checkRecipientDomain(forwardPath: ForwardPath, client: Client): Decision | undefined {
  if (!isSubmission(client) || forwardPath.domainKey === "" || isFullyQualified(forwardPath.domainKey))
    return undefined;
  return notFullyQualifiedRecipient;
}

/** An address literal, or a name of at least two labels. */
function isFullyQualified(domainKey: string): boolean {
  return domainKey.startsWith("[") || domainKey.includes(".");
}
