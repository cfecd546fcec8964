/** The report that an alias with several targets owes its sender, stored behind the message that it is about. */
import type { HeaderSection } from "../message/header-section.ts";
import type { Log } from "../ports/log.ts";
import { withCapturedMarked } from "../route/captured-recipients.ts";
import type { ClaimedMessage, NewMessage } from "../spool/spool.ts";
import type { Envelope } from "./envelope.ts";
import type { IntakeServices } from "./services.ts";
import { logHistory } from "../history/history-log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

/**
 * The message is accepted by now, so a report that cannot be stored is logged and given up (RFC 3461 §5.2.7.3 is no
 * MUST): a 4yz would have the client send the message again. `undefined`: nothing was stored.
 */
export async function storeExpandedReport(
  services: Pick<IntakeServices, "queue" | "reporter" | "spool" | "captures">,
  accepted: {
    readonly message: NewMessage;
    readonly header: HeaderSection;
    readonly envelope: Envelope;
    readonly log: Log;
  },
): Promise<{ readonly claimed: ClaimedMessage | undefined } | undefined> {
  const { queue, reporter, spool, captures } = services;
  const { message, header, envelope, log } = accepted;
  const { stranger, junk } = message;
  if (envelope.expanded.length === 0 || stranger === "forged" || (stranger !== undefined && junk === true)) {
    return undefined;
  }
  try {
    const owed = await reporter.expandedReport({ message, header, recipients: envelope.expanded });
    if (owed === undefined) return undefined;
    const report = withCapturedMarked(owed.report.message, captures);
    await using writer = spool.begin();
    const wait = writer.append(owed.report.content);
    if (wait !== undefined) await wait;
    const claim = queue.claimTermsForFresh(report.recipients.map(({ domain }) => domain));
    const events = [owed.event];
    const committed = await writer.commit(report, claim === undefined ? { events } : { claim, events });
    logHistory(log, message, events);
    return committed;
  } catch (error) {
    logTrouble(log, "storing the report of an expanded alias", error, message.id);
    return undefined;
  }
}
