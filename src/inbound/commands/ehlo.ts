/**
 * EHLO, HELO and LHLO. No built-in policy refuses a client because of the name (RFC 5321 §4.1.4): the name is a hint for
 * policies that look at the whole message.
 */
import { whenReady } from "../../lib/when-ready.ts";
import type { HelloEvent } from "../../smtp/server/event.ts";
import { clientFacts, type SessionState } from "../session-state.ts";
import { type SessionAction, actionFor } from "../session-action.ts";

export function acceptHello(state: SessionState, { verb, name }: HelloEvent): SessionAction | Promise<SessionAction> {
  const facts = { ...clientFacts(state), verb, name };
  return whenReady(state.services.policy.ask("hello", facts, state), (ruling) => {
    if (ruling.verdict === "proceed") state.hello = { verb, name };
    return actionFor(ruling);
  });
}
