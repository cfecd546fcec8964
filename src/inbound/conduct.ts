/**
 * Tells the admission what a client did for or against its network, and keeps replies back where the network misbehaves (a
 * tarpit). A session that is kept waiting holds one timer and its reply: no thread, no query, no lock. It counts as idle,
 * so it loses its place when the server is full.
 */
import { whenReady } from "../lib/when-ready.ts";
import type { Conduct } from "../policy/bans.ts";
import type { SessionState } from "./session-state.ts";
import type { SessionAction } from "./session-action.ts";

/** The action, at once or after the delay that the client's network has earned. */
export function afterConduct(
  state: SessionState,
  conduct: Conduct,
  action: SessionAction,
): SessionAction | Promise<SessionAction> {
  return whenReady(state.services.admission.noteConduct(state.client, conduct), (delayMs) =>
    delayMs === 0 || state.phases.state.kind === "over" ? action : keptBack(state, delayMs, action),
  );
}

/** The action, after a time. It comes at once when the session or the server ends. */
export function keptBack(state: SessionState, delayMs: number, action: SessionAction): Promise<SessionAction> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      state.delay = undefined;
      resolve(action);
    };
    const timer = state.services.clock.setTimer(delayMs, end);
    state.delay = { end };
  });
}
