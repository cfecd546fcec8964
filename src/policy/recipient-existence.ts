/** Whether a recipient of a local domain exists (RFC 5321 §3.3). */
import type { Resolution } from "../accounts/account-directory.ts";
import { formatMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

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
      return {
        verdict: "reject",
        reply: reply(550, "5.1.1", noSuchUser(named)),
        reason: "unknown-recipient",
        setting: resolution.setting,
      };
    case "broken":
      return {
        verdict: "defer",
        reply: reply(451, "4.3.5", "The alias is misconfigured, try again later"),
        reason: resolution.reason,
        setting: resolution.setting,
      };
    default:
      return resolution satisfies never;
  }
}

/** A reply is ASCII unless the client asked for SMTPUTF8 (RFC 6531 §3.7.4), so other addresses are left out. */
function noSuchUser(named: Mailbox | undefined): string {
  const address = named === undefined ? "" : formatMailbox(named);
  return address === "" || hasNonAscii(address) ? "No such user here" : `No such user here: ${address}`;
}
