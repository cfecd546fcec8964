/** The greeting: whether the client is served at all. */
import { whenReady } from "../../lib/when-ready.ts";
import type { Refusal } from "../../policy/decision.ts";
import { clientFacts, type SessionState } from "../session-state.ts";
import { type SessionAction, actionFor } from "../session-action.ts";

/** `turnedAway`: decided when the connection was counted. */
export function checkConnect(
  state: SessionState,
  turnedAway: Refusal | undefined,
): SessionAction | Promise<SessionAction> {
  return whenReady(state.services.policy.ask("connect", { ...clientFacts(state), turnedAway }, state), actionFor);
}
