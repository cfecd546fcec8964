/** Refuses a message that is in a mail loop (RFC 5321 §6.3); the queue asks again before each attempt. */
import type { MessageFacts } from "../message/message-facts.ts";
import type { StrangersPath } from "../spool/spool.ts";
import { type Refusal, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

export const hopLimit: Stage = {
  rule: "hop-limit",
  header: ({ message, hopLimit: limit }) => checkHopCount(message, limit),
};

/** `undefined`: nothing against it. */
export function checkHopCount(facts: Pick<MessageFacts, "receivedCount">, hopLimit: number): Refusal | undefined {
  if (facts.receivedCount < hopLimit) return undefined;
  return refuse("too-many-hops", { servers: facts.receivedCount, limit: hopLimit });
}

/**
 * What we could not report on to a stranger's reverse-path, since anyone can write our Received fields, is refused: then
 * the server that brings it tells the sender. Everything else is accepted, fails in the queue, and is reported by us.
 */
export function refuseOwnLoop(stranger: StrangersPath | undefined): Refusal | undefined {
  if (stranger === undefined || stranger === "verified") return undefined;
  return refuse("own-loop", { reverse_path: stranger });
}
