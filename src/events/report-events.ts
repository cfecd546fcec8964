/** Reports: delivery status notifications, DMARC reports that the server sends, and reports that it receives. */
import { message, reason, domain, attempt } from "./common-fields.ts";
import { declare, number, optional, text, texts } from "./event-declaration.ts";

const toldOf = texts("The recipients that it is about.");
const day = text("The day that the report is for, in UTC.");

export const reportEvents = {
  "report-queued": declare(
    "info",
    "A delivery status notification was queued.",
    "It is delivered to the reverse-path.",
    {
      message,
      report: text("Queue id of the report."),
      action: text("What it reports: `failed`, `delayed`, `relayed`, `delivered` or `expanded`."),
      to: text("The reverse-path of the message."),
      recipients: toldOf,
    },
  ),
  "report-withheld": declare("info", "The server sent no report, for the reason given.", "Nothing.", {
    message,
    to: text("The reverse-path of the message."),
    recipients: toldOf,
    reason,
  }),
  "report-undeliverable": declare(
    "warn",
    "A report could not be delivered and was dropped: the server never reports on a report.",
    "`posthaste explain` shows the history of the message.",
    { ...attempt, report_on: optional(text("Queue id of the message that it reports on.")) },
  ),
  "dmarc-report-queued": declare(
    "info",
    "The daily aggregate report for a domain was queued.",
    "It is delivered to the addresses that the domain's DMARC record names.",
    {
      message: text("Queue id of the report."),
      domain,
      day,
      rows: number("Rows of the report."),
      to: texts("Where it goes."),
    },
  ),
  "dmarc-report-not-sent": declare(
    "info",
    "A domain requests aggregate reports, but the report for this day could not be sent, for the reason given.",
    "The counts of the day are dropped.",
    { domain, day, reason },
  ),
  "dmarc-counts-dropped": declare(
    "warn",
    "The server saw more different senders in a day than aggregate reports have room for.",
    "The messages counted here are missing from the reports; mail is not affected.",
    { messages: number("Messages that are not counted.") },
  ),
  "tls-report-queued": declare(
    "info",
    "The daily report to a domain about TLS with its mail servers was queued.",
    "It is delivered to the addresses that the domain's `_smtp._tls` record names, without TLS if necessary.",
    {
      message: text("Queue id of the report."),
      domain,
      day,
      policies: number("Policies that it is about."),
      to: texts("Where it goes."),
    },
  ),
  "tls-report-posted": declare(
    "info",
    "The daily report to a domain about TLS with its mail servers was sent over HTTPS.",
    "Nothing.",
    { domain, day, url: text("Where it went."), status: number("The status that the other server answered.") },
  ),
  "tls-report-not-sent": declare(
    "info",
    "A domain requests TLS reports, but the report for this day could not be sent, for the reason given.",
    "The counts of the day are dropped.",
    { domain, day, reason },
  ),
  "tls-counts-dropped": declare(
    "warn",
    "The server sent mail to more domains in a day, or found more policies of one, than TLS reports have room for.",
    "The sessions counted here are missing from the reports; mail is not affected.",
    { sessions: number("Sessions that are not counted.") },
  ),
  "report-received": declare(
    "info",
    "An aggregate or TLS report arrived at the address for reports and was stored.",
    "`posthaste reports show` shows it.",
    { message, report: text("The id by which `posthaste reports show` knows it.") },
  ),
  "reports-removed": declare(
    "warn",
    "More reports, or more mail without one (`doubtful`), arrived at the address for reports than the server keeps.",
    "The server deleted the oldest early. Someone may be sending reports to fill the disk.",
    { reports: number("Reports that were deleted."), doubtful: number("Messages without a report that were deleted.") },
  ),
  "report-unreadable": declare(
    "warn",
    "Mail to the address for reports contained no readable report.",
    "`posthaste reports list` shows it with the reason; no notice is sent.",
    { message, reason },
  ),
};
