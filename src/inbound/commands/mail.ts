/** MAIL: whether a transaction begins. */
import { formatMailbox } from "../../address/mailbox-text.ts";
import { Envelope } from "../../intake/envelope.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { isSubmission } from "../../policy/client.ts";
import type { Refusal } from "../../policy/decision.ts";
import { checkSender, checkSenderOwnership } from "../../policy/sender-permission.ts";
import type { MailEvent } from "../../smtp/server/event.ts";
import type { SessionState } from "../session-state.ts";
import { verdictOf, type Verdict } from "../verdict.ts";

export function checkMail(state: SessionState, event: MailEvent): Verdict | Promise<Verdict> {
  return whenReady(decide(state, event), (refusal) => {
    if (refusal === undefined) {
      state.phase = { kind: "transaction", envelope: new Envelope(event.reversePath, event.parameters) };
    } else {
      const from = event.reversePath === null ? "" : formatMailbox(event.reversePath);
      const { reason, setting, reply } = refusal;
      state.log.event("mail-refused", { client: state.client.address, from, reason, setting, reply: reply.code });
    }
    return verdictOf(refusal);
  });
}

function decide(
  state: SessionState,
  { reversePath, parameters }: MailEvent,
): Refusal | undefined | Promise<Refusal | undefined> {
  const { client, services, listener } = state;
  if (listener.development === undefined) {
    const sender = checkSender(reversePath, client);
    if (sender !== undefined) return sender;
  }
  return whenReady(services.admission.roomFor(parameters.size ?? 0), (short) =>
    short === undefined ? decideOnSender(state, reversePath) : short,
  );
}

function decideOnSender({ client, services }: SessionState, reversePath: MailEvent["reversePath"]) {
  const { login } = client;
  const owned =
    login !== undefined && reversePath !== null && isSubmission(client)
      ? whenReady(services.accounts.mayUse(login, reversePath), (mayUse) =>
          checkSenderOwnership(formatMailbox(reversePath), login, mayUse),
        )
      : undefined;
  const checkRate = () => services.admission.countMessage(client);
  if (owned === undefined) return checkRate();
  return whenReady(owned, (refusal) => refusal ?? checkRate());
}
