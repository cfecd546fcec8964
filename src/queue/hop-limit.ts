/** The hop count (RFC 5321 §6.3): a message with this many Received fields goes round in a circle. */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { MessageFacts } from "../message/message-facts.ts";

/** Asked before each attempt, and by `inbound/` before it accepts. */
export function hopLimitReached(facts: Pick<MessageFacts, "receivedCount">, hopLimit: number): boolean {
  return facts.receivedCount >= hopLimit;
}

export function hopLimitOutcome(facts: Pick<MessageFacts, "receivedCount">, hopLimit: number): DeliveryOutcome {
  return {
    kind: "bounced",
    status: "5.4.6",
    owner: "policy",
    reason: `The message passed ${facts.receivedCount} servers on its way here and may pass ${hopLimit} at most: it goes round in a circle`,
  };
}
