/** MAIL: whether a transaction begins. A client that has not signed in may do so by the certificate that it showed. */
import { Envelope } from "../../intake/envelope.ts";
import { whenReady } from "../../lib/when-ready.ts";
import type { MailEvent } from "../../smtp/server/event.ts";
import { afterConduct } from "../conduct.ts";
import { clientFacts, type SessionState } from "../session-state.ts";
import { type SessionAction, actionFor } from "../session-action.ts";
import { afterCertificate } from "./auth.ts";

export function checkMail(state: SessionState, event: MailEvent): SessionAction | Promise<SessionAction> {
  return afterCertificate(state, () => judgeMail(state, event));
}

function judgeMail(
  state: SessionState,
  { reversePath, parameters }: MailEvent,
): SessionAction | Promise<SessionAction> {
  const facts = { ...clientFacts(state), reversePath, size: parameters.size ?? 0 };
  return whenReady(state.services.policy.ask("mail", facts, state), (ruling) => {
    if (ruling.verdict === "proceed") {
      state.phases.change("mail", { kind: "transaction", envelope: new Envelope(reversePath, parameters) });
    }
    const action = actionFor(ruling);
    // Elsewhere the core refuses MAIL before a login, and that counts as an error.
    const needsLogin = ruling.verdict === "refuse" && ruling.refusal.reason === "login-needed";
    return needsLogin ? afterConduct(state, "error", action) : action;
  });
}
