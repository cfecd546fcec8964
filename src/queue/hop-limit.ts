/** The hop count (RFC 5321 §6.3): a message with this many Received fields, or five of ours, goes round in a circle. */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { isOwnLoop } from "../message/own-loop.ts";

type Hops = Pick<MessageFacts, "receivedCount" | "ownReceivedCount">;

/** Asked before each attempt; undefined: nothing against it. */
export function hopLimitOutcome(facts: Hops, hopLimit: number): DeliveryOutcome | undefined {
  const { receivedCount, ownReceivedCount } = facts;
  if (isOwnLoop(facts)) return goesRound(`The message came by this server ${ownReceivedCount} times`);
  if (receivedCount < hopLimit) return undefined;
  return goesRound(`The message passed ${receivedCount} servers on its way here and may pass ${hopLimit} at most`);
}

function goesRound(evidence: string): DeliveryOutcome {
  return { kind: "bounced", status: "5.4.6", owner: "policy", reason: `${evidence}: it goes round in a circle` };
}
