/** The greeting: whether the client is served at all. */
import { whenReady } from "../../lib/when-ready.ts";
import type { Refusal } from "../../policy/decision.ts";
import { networkKey } from "../../policy/network-key.ts";
import { keptBack } from "../conduct.ts";
import { clientFacts, type SessionState } from "../session-state.ts";
import { type SessionAction, actionFor } from "../session-action.ts";

/** `turnedAway`: decided when the connection was counted. */
export function checkConnect(
  state: SessionState,
  turnedAway: Refusal | undefined,
): SessionAction | Promise<SessionAction> {
  const { acceptsMail = true, greetingDelayMs = 0 } = state.listener;
  const facts = { ...clientFacts(state), turnedAway, acceptsMail };
  return whenReady(state.services.policy.ask("connect", facts, state), (ruling) => {
    const { client } = state;
    const waits = greetingDelayMs > 0 && ruling.verdict === "proceed";
    const isStranger = networkKey(client.address) !== undefined && !client.relayNetwork;
    return waits && isStranger ? keptBack(state, greetingDelayMs, actionFor(ruling)) : actionFor(ruling);
  });
}
