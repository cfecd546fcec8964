/** Refuses a message that goes round in a circle (RFC 5321 §6.3); the queue asks again before each attempt. */
import type { MessageFacts } from "../message/message-facts.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

/** `undefined`: nothing against it. */
export function checkHopCount(facts: Pick<MessageFacts, "receivedCount">, hopLimit: number): Decision | undefined {
  if (facts.receivedCount < hopLimit) return undefined;
  return {
    verdict: "reject",
    reply: reply(554, "5.4.6", `Mail loop: the message passed ${facts.receivedCount} servers already`),
    reason: "too-many-hops",
    setting: "queue.hop_limit",
  };
}
