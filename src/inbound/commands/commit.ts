/**
 * The commit behind the `250` (RFC 5321 §6.1): message, recipients and the first line of history in one transaction, then
 * the report that an expanded alias owes, then the reply. Whatever fails, nothing is half-kept, and the client hears 4yz.
 */
import type { HeaderSection } from "../../message/header-section.ts";
import { withCapturedMarked } from "../../route/captured-recipients.ts";
import { reply } from "../../smtp/reply.ts";
import type { ClaimedMessage, NewMessage } from "../../spool/spool.ts";
import type { AcceptedEvent } from "../new-message.ts";
import { idle, type ReceivingPhase, type SessionState } from "../session-state.ts";
import type { Transaction } from "../transaction.ts";
import { noted, type Verdict } from "../verdict.ts";

export interface CompleteMessage {
  readonly message: NewMessage;
  readonly event: AcceptedEvent;
  readonly header: HeaderSection;
}

/** Rejects where the spool does, which then keeps nothing; the transaction is still open. */
export async function commitMessage(
  state: SessionState,
  phase: ReceivingPhase,
  complete: CompleteMessage,
): Promise<Verdict> {
  const { event, header } = complete;
  const { content, transaction } = phase;
  const { queue, clock, captures } = state.services;
  const message = withCapturedMarked(complete.message, captures, header);
  if (content.pendingWrite !== undefined) await content.pendingWrite;
  // The client may be gone meanwhile.
  if (state.phase !== phase) return noted;
  const claim = queue.claimTermsForFresh(message.recipients.map(({ domain }) => domain));
  const { size } = content.writer;
  const events = [{ ...event, at: clock.now(), size }];
  // From here on the spool decides what becomes of the content: a client that goes away must not abort it.
  phase.committing = true;
  const { claimed } = await content.writer
    .commit(message, claim === undefined ? { events } : { claim, events })
    .finally(() => {
      phase.committing = false;
      state.memory.dropMessage();
    });
  if (state.phase === phase) state.phase = idle;
  state.messages++;
  state.log.event("message-accepted", {
    message: message.id,
    from: message.reversePath,
    to: event.recipients,
    size,
    client: state.client.address,
    protocol: message.origin.protocol,
    login: state.client.login,
  });
  const { stranger, junk } = message;
  const unasked =
    transaction.expanded.length === 0 || stranger === "forged" || (stranger !== undefined && junk === true);
  const report = unasked ? undefined : await commitExpandedReport(state, transaction, complete);
  const afterwards = () => {
    queue.accepted(claimed);
    if (report !== undefined) queue.accepted(report.claimed);
  };
  return { kind: "answer", reply: reply(250, "2.0.0", `Ok: queued as ${message.id}`), afterwards };
}

/**
 * The message is accepted by now, so a report that cannot be stored is logged and given up (RFC 3461 §5.2.7.3 is no
 * MUST): a 4yz would have the client send the message again.
 */
async function commitExpandedReport(
  state: SessionState,
  transaction: Transaction,
  { message, header }: CompleteMessage,
): Promise<{ readonly claimed: ClaimedMessage | undefined } | undefined> {
  const { queue, reporter, spool, captures } = state.services;
  try {
    const owed = await reporter.expandedReport({ message, header, recipients: transaction.expanded });
    if (owed === undefined) return undefined;
    const { content } = owed.report;
    const report = withCapturedMarked(owed.report.message, captures);
    await using writer = spool.begin();
    const wait = writer.append(content);
    if (wait !== undefined) await wait;
    const claim = queue.claimTermsForFresh(report.recipients.map(({ domain }) => domain));
    const events = [owed.event];
    const committed = await writer.commit(report, claim === undefined ? { events } : { claim, events });
    state.log.event("report-queued", { message: message.id, report: report.id, action: "expanded" });
    return committed;
  } catch (error) {
    state.log.event("spool-failed", { message: message.id, where: "storing an expanded report", error: String(error) });
    return undefined;
  }
}
