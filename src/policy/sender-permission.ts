/**
 * Which reverse-paths are taken. A server that passes mail on may use any; a program that submits needs a login, a sender
 * that belongs to it, and a domain that the world can answer (RFC 6409 §4.2, §4.3, §6.1). The null reverse-path is never
 * refused for itself (RFC 6409 §3.2, RFC 5321 §6.1).
 */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import { formatMailbox } from "../address/mailbox-text.ts";
import { whenReady } from "../lib/when-ready.ts";
import type { ForwardPath, ReversePath } from "../smtp/envelope.ts";
import { isSubmission, type Client } from "./client.ts";
import { type Refusal, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

/** What can be said without asking for the login's addresses. `undefined`: nothing against it. */
export function checkSender(reversePath: ReversePath, client: Client): Refusal | undefined {
  if (!isSubmission(client)) return undefined;
  if (client.login === undefined) return refuse("login-needed", {});
  if (reversePath === null || isFullyQualified(reversePath.domainKey)) return undefined;
  return refuse("sender-domain-not-qualified", { domain: reversePath.domainKey });
}

/** `undefined`: the login may use the reverse-path. */
export function checkSenderOwnership(reversePath: string, login: string, mayUse: boolean): Refusal | undefined {
  return mayUse ? undefined : refuse("sender-not-of-login", { login, sender: reversePath }, `user ${login}`);
}

/** Submission only: `bob@sales` is never completed (RFC 6409 §4.2). `undefined`: nothing against it. */
export function checkRecipientDomain(forwardPath: ForwardPath, client: Client): Refusal | undefined {
  if (!isSubmission(client) || forwardPath.domainKey === "" || isFullyQualified(forwardPath.domainKey))
    return undefined;
  return refuse("recipient-domain-not-qualified", { domain: forwardPath.domainKey });
}

export const senderPermission: Stage = {
  rule: "sender-permission",
  mail: ({ client, development, reversePath }) => (development ? undefined : checkSender(reversePath, client)),
};

export function senderOwnership(accounts: Pick<AccountDirectory, "mayUse">): Stage {
  return {
    rule: "sender-ownership",
    mail: ({ client, reversePath }) => {
      const { login } = client;
      if (login === undefined || reversePath === null || !isSubmission(client)) return undefined;
      return whenReady(accounts.mayUse(login, reversePath), (mayUse) =>
        checkSenderOwnership(formatMailbox(reversePath), login, mayUse),
      );
    },
  };
}

export const recipientDomain: Stage = {
  rule: "recipient-domain",
  recipient: ({ client, forwardPath, reversed, resolution }) =>
    reversed === undefined && resolution?.kind === "not-local" ? checkRecipientDomain(forwardPath, client) : undefined,
};

/** An address literal, or a name of at least two labels. */
function isFullyQualified(domainKey: string): boolean {
  return domainKey.startsWith("[") || domainKey.includes(".");
}
