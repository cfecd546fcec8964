/** The greeting: whether the client is served at all. */
import type { Decision } from "../../policy/decision.ts";
import type { SessionState } from "../session-state.ts";
import { verdictOf, type Verdict } from "../verdict.ts";

/** `decision`: made when the connection was accepted. */
export function checkConnect(state: SessionState, decision: Decision): Verdict {
  if (decision.verdict !== "accept") {
    const { reason, setting, reply } = decision;
    state.log.event("session-refused", { client: state.client.address, reason, setting, reply: reply.code });
  }
  return verdictOf(decision);
}
