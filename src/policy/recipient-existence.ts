/** Whether a recipient of a local domain exists (RFC 5321 §3.3). */
import type { Resolution } from "../accounts/account-directory.ts";
import { formatMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { sendsOwnMail } from "./client.ts";
import { type Decision, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

export const recipientExistence: Stage = {
  rule: "recipient-existence",
  recipient: ({ client, forwardPath, reversed, resolution }) => {
    if (resolution === undefined || resolution.kind === "not-local") return undefined;
    const named = reversed === undefined && sendsOwnMail(client) ? forwardPath : undefined;
    const decision = checkRecipientExists(resolution, named);
    if (decision.verdict !== "accept" || resolution.kind !== "local") return decision;
    return { ...decision, changes: [{ kind: "set-recipients", targets: resolution.targets }] };
  },
};

/**
 * For recipients that resolve as ours. `named` is repeated in a refusal: to a client whose addresses we complete, it shows
 * which domain `<root>` was given.
 */
export function checkRecipientExists(
  resolution: Exclude<Resolution, { readonly kind: "not-local" }>,
  named?: Mailbox,
): Decision {
  switch (resolution.kind) {
    case "local":
      return { verdict: "accept", reason: `local-${resolution.via}`, setting: resolution.setting };
    case "unknown":
      if (resolution.noMail) return refuse("domain-accepts-no-mail", {}, resolution.setting);
      return refuse("unknown-recipient", { address: asciiAddress(named) }, resolution.setting);
    case "broken":
      return refuse(resolution.reason, {}, resolution.setting);
    default:
      return resolution satisfies never;
  }
}

/** A reply is ASCII unless the client asked for SMTPUTF8 (RFC 6531 §3.7.4), so other addresses are left out. */
function asciiAddress(named: Mailbox | undefined): string {
  const address = named === undefined ? "" : formatMailbox(named);
  return hasNonAscii(address) ? "" : address;
}
