/** Refuses a message that goes round in a circle (RFC 5321 §6.3); the queue asks again before each attempt. */
import type { MessageFacts } from "../message/message-facts.ts";
import type { StrangersPath } from "../spool/spool.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

/** `undefined`: nothing against it. */
export function checkHopCount(facts: Pick<MessageFacts, "receivedCount">, hopLimit: number): Decision | undefined {
  if (facts.receivedCount < hopLimit) return undefined;
  return {
    verdict: "reject",
    reply: reply(554, "5.4.6", `Mail loop: the message has passed through ${facts.receivedCount} servers`),
    reason: "too-many-hops",
    setting: "queue.hop_limit",
  };
}

/**
 * What we could not report on to a stranger's reverse-path, since anybody can write our Received fields, is refused: then
 * the server that brings it tells the sender. Everything else is accepted, fails in the queue, and is reported by us.
 */
export function refuseOwnLoop(stranger: StrangersPath | undefined): Decision | undefined {
  if (stranger === undefined || stranger === "verified") return undefined;
  return {
    verdict: "reject",
    reply: reply(554, "5.4.6", "Mail loop: the message has passed through this server several times"),
    reason: "own-loop",
  };
}
