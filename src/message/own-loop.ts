/**
 * A message that came by this server five times is in a mail loop, long before the hop count of RFC 5321 §6.3 shows
 * it. Honest mail passes one server twice or three times: a list, an alias elsewhere that leads back.
 */
import type { MessageFacts } from "./message-facts.ts";

const ownReceivedMax = 5;

/** Asked before a stranger's message is accepted, and before each attempt. */
export function isOwnLoop({ ownReceivedCount = 0 }: Pick<MessageFacts, "ownReceivedCount">): boolean {
  return ownReceivedCount >= ownReceivedMax;
}
