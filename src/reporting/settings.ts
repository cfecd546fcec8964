/** The `[reports]` section: aggregate reports: the ones we send about other domains, and the ones we receive. */
import { z } from "zod";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { duration } from "../lib/setting-types.ts";

const address = () =>
  z
    .string('an address is text: "reports@example.org"')
    .refine((text) => parseMailbox(text) !== undefined, 'write an address: "reports@example.org"')
    // The servers that send reports, and those that receive ours, may not support SMTPUTF8.
    .refine((text) => !hasNonAscii(parseMailbox(text)?.localPart ?? ""), "use only ASCII characters before the @");

/** Goes into XML and onto people's screens. */
const line = z.string().min(1).max(200);

export const reportsSettings = z
  .strictObject({
    address: address()
      .optional()
      .describe(
        "A local address for incoming reports. Publish it as rua in the DMARC record and in the `_smtp._tls` record of your domains. The server reads and keeps what arrives there, and `posthaste reports` shows it; it is not delivered to a mailbox. Default: none. Applies on reload. (RFC 9990, RFC 8460)",
      ),
    keep: duration({ minMs: 86_400_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("90d")
      .describe("How long incoming reports are kept. Applies on reload to reports that arrive afterwards."),
    send: z
      .boolean()
      .default(true)
      .describe(
        "Whether the server sends a daily aggregate report to each domain whose DMARC record asks for one, about the mail received from it. Applies on reload. (RFC 9990)",
      ),
    send_tls: z
      .boolean()
      .default(true)
      .describe(
        "Whether the server sends a daily report to each domain whose `_smtp._tls` record asks for one, about TLS with its mail servers. Applies on reload. (RFC 8460)",
      ),
    from: address()
      .optional()
      .describe(
        "The address that reports are sent from. Its domain must be local and should have SPF and DKIM records, since receivers ignore reports that fail DMARC. Unless it is a mailbox, mail to it goes to postmaster. Default: `address`, else the postmaster of the first domain. Applies on reload.",
      ),
    organization: line
      .optional()
      .describe(
        "The name of your organisation in the reports that the server sends. Default: the domain of `from`. Applies on reload.",
      ),
    contact: line
      .optional()
      .describe(
        "Where readers of the reports can learn more, for example a web page; the reports show it next to the address. Default: nothing. Applies on reload.",
      ),
  })
  .describe(
    "Reports about authentication and TLS: the daily reports that the server sends to domains that ask for them, and the address for those that it receives. It never sends failure reports (ruf), because they would disclose parts of people's mail.",
  );

export type ReportsSettings = z.output<typeof reportsSettings>;
