/** The greeting: whether the client is served at all. */
import type { Refusal } from "../../policy/decision.ts";
import type { SessionState } from "../session-state.ts";
import { verdictOf, type Verdict } from "../verdict.ts";

/** `refusal`: decided when the connection was accepted. */
export function checkConnect(state: SessionState, refusal: Refusal | undefined): Verdict {
  if (refusal !== undefined) {
    const { reason, setting, reply } = refusal;
    state.log.event("session-refused", { client: state.client.address, reason, setting, reply: reply.code });
  }
  return verdictOf(refusal);
}
