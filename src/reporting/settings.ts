/** The `[reports]` section: reports about mail as a whole, those we send about others' domains and those sent to us. */
import { z } from "zod";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { duration } from "../lib/setting-types.ts";

const address = () =>
  z
    .string('an address is text: "reports@example.org"')
    .refine((text) => parseMailbox(text) !== undefined, 'write an address: "reports@example.org"')
    // Those who send reports, and those who get ours, need not know of SMTPUTF8.
    .refine((text) => !hasNonAscii(parseMailbox(text)?.localPart ?? ""), "take an ASCII name before the @");

/** Goes into XML and onto people's screens. */
const line = z.string().min(1).max(200);

export const reportsSettings = z
  .strictObject({
    address: address()
      .optional()
      .describe(
        "A local address for incoming reports: publish it as rua in the DMARC record and in the `_smtp._tls` record of your domains. What arrives there is read, kept, and shown by `posthaste reports`; it reaches no mailbox. Default: none. Applies on reload. (RFC 9990, RFC 8460)",
      ),
    keep: duration({ minMs: 86_400_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("90d")
      .describe("How long incoming reports are kept. Applies on reload, to reports that arrive after it."),
    send: z
      .boolean()
      .default(true)
      .describe(
        "Whether domains whose DMARC record asks for aggregate reports get one a day about the mail received from them. Applies on reload. (RFC 9990)",
      ),
    from: address()
      .optional()
      .describe(
        "The address that reports are sent from; its domain must be local, and should have SPF and DKIM, since reports that fail DMARC are not read. Unless it is a mailbox, mail to it goes to postmaster. Default: `address`, else the postmaster of the first domain. Applies on reload.",
      ),
    organization: line
      .optional()
      .describe("The name of your organisation in reports sent. Default: the domain of `from`. Applies on reload."),
    contact: line
      .optional()
      .describe(
        "Where those who read the reports can learn more, a web page for instance; shown in them beside the address. Default: nothing. Applies on reload.",
      ),
  })
  .describe(
    "Reports about authentication and TLS: daily aggregate reports sent to domains that ask for them, and the place for those sent to us. Failure reports (ruf) are never sent: they would hand on parts of people's mail.",
  );

export type ReportsSettings = z.output<typeof reportsSettings>;
