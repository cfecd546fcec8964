/**
 * Refuses, before we are responsible for it, a message whose header says that it was in the same mailbox before: something
 * sends it round. Accepting it would mean a report to the reverse-path later, and strangers write header and reverse-path
 * as they like.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { type Refusal, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

/** `hasMailboxHere`: whether mail for a recipient ends in a Maildir of ours; absent: nobody knows. */
export function deliveredBefore(hasMailboxHere: HasMailboxHere | undefined): Stage {
  return {
    rule: "delivered-before",
    header: ({ message, targets }) => {
      // Most messages say nothing of an earlier delivery, and then nobody asks where their recipients lead.
      if (message.deliveredTo.length === 0 || hasMailboxHere === undefined) return undefined;
      return targets.every(hasMailboxHere) ? checkDeliveredBefore(message, targets) : undefined;
    },
  };
}

export type HasMailboxHere = (recipient: { readonly address: string; readonly domain: string }) => boolean;

/** `recipients`: those that go into mailboxes of ours, where all do. `undefined`: one of them is to get it. */
export function checkDeliveredBefore(
  facts: Pick<MessageFacts, "deliveredTo">,
  recipients: readonly { readonly address: string }[],
): Refusal | undefined {
  const [first] = recipients;
  if (facts.deliveredTo.length === 0 || first === undefined) return undefined;
  if (!recipients.every(({ address }) => facts.deliveredTo.includes(asciiLowerCase(address)))) return undefined;
  return refuse("delivered-before", { address: first.address });
}
