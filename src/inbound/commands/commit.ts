/**
 * The commit behind the `250` (RFC 5321 §6.1): message, recipients and the first line of history in one transaction, then
 * the report that an expanded alias owes, then the reply. Whatever fails, nothing is half-kept, and the client hears 4yz.
 */
import type { HeaderSection } from "../../message/header-section.ts";
import { withCapturedMarked } from "../../route/captured-recipients.ts";
import { reply } from "../../smtp/reply.ts";
import type { ClaimedMessage, NewMessage } from "../../spool/spool.ts";
import type { IncomingContent } from "../incoming-content.ts";
import type { AcceptedEvent } from "../new-message.ts";
import type { SessionState } from "../session-state.ts";
import type { Transaction } from "../transaction.ts";
import type { Verdict } from "../verdict.ts";

export interface CompleteMessage {
  readonly message: NewMessage;
  readonly event: AcceptedEvent;
  readonly header: HeaderSection;
  readonly content: IncomingContent;
  readonly transaction: Transaction;
}

/** Rejects where the spool does, which then keeps nothing; the transaction is still open. */
export async function commitMessage(state: SessionState, complete: CompleteMessage): Promise<Verdict> {
  const { event, header, content, transaction } = complete;
  const { queue, clock, captures } = state.services;
  const message = withCapturedMarked(complete.message, captures, header);
  if (content.pendingWrite !== undefined) await content.pendingWrite;
  const claim = queue.claimTermsForFresh(message.recipients.map(({ domain }) => domain));
  const { size } = content.writer;
  const events = [{ ...event, at: clock.now(), size }];
  // From here on the spool decides what becomes of the content: a client that goes away must not abort it.
  state.content = undefined;
  state.committing = true;
  const { claimed } = await content.writer
    .commit(message, claim === undefined ? { events } : { claim, events })
    .finally(() => {
      state.committing = false;
      state.memory.dropMessage();
    });
  state.transaction = undefined;
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
  const report = unasked ? undefined : await commitExpandedReport(state, complete);
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
  { message, header, transaction }: CompleteMessage,
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
