/**
 * Mail to a rewritten reverse-path of ours (SRS), mostly bounces of mail that we forwarded.
 *
 * No open relay: only a key of ours makes such an address, it leads to one mailbox, and for three weeks. Any reverse-path
 * is taken, not the null one alone: automatic answers often have a sender, and a server that asks whether our sender
 * exists (Postfix asks as `double-bounce@`) would refuse all forwarded mail. `docs/forwarding.md` tells more.
 */
import { elsewhereTarget } from "../accounts/account-table.ts";
import type { ReversedRecipient } from "../address/srs.ts";
import { type Decision, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

const accepted: Decision = { verdict: "accept", reason: "forwarding-address", setting: "forwarding.rewrite_sender" };

/** Accepted: the mail goes on to `reversed.mailbox`. */
export function checkSrsRecipient(reversed: ReversedRecipient): Decision {
  switch (reversed.kind) {
    case "address":
      return accepted;
    case "forged":
      return refuse("forwarding-address-forged", {});
    case "expired":
      return refuse("forwarding-address-expired", {});
    default:
      return reversed satisfies never;
  }
}

/** Mail goes where the original says, which may have become ours meanwhile. */
export const srsRecipient: Stage = {
  rule: "srs-recipient",
  recipient: ({ reversed, resolution }) => {
    if (reversed === undefined) return undefined;
    const decision = checkSrsRecipient(reversed);
    if (decision.verdict !== "accept") return decision;
    if (reversed.kind !== "address" || resolution?.kind !== "not-local") return undefined;
    const target = { ...elsewhereTarget(reversed.mailbox), elsewhere: true } as const;
    return { ...decision, changes: [{ kind: "set-recipients", targets: [target] }] };
  },
};
