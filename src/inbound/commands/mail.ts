/** MAIL: whether a transaction begins. A client that has not signed in may do so by the certificate that it showed. */
import { Envelope } from "../../intake/envelope.ts";
import { whenReady } from "../../lib/when-ready.ts";
import type { MailEvent } from "../../smtp/server/event.ts";
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
    return actionFor(ruling);
  });
}
