/** What becomes of a message while it arrives: refused, checked, accepted. */
import { client, decider, message, from, reason, setting, replyCode, hint, error, domain } from "./common-fields.ts";
import { declare, number, optional, text, texts } from "./event-declaration.ts";

export const messageEvents = {
  "mail-refused": declare("info", "A reverse-path was refused, for the reason given.", "No transaction begins.", {
    client,
    from,
    reason,
    ...decider,
    reply: replyCode,
  }),
  "recipient-refused": declare(
    "info",
    "A recipient was refused, for the reason given.",
    "The transaction continues without it.",
    { client, from, to: text("The recipient."), reason, ...decider, reply: replyCode },
  ),
  "content-refused": declare(
    "info",
    "Content was refused after it arrived, for the reason given.",
    "The server keeps none of it.",
    {
      client,
      from,
      to: texts("The accepted recipients."),
      reason,
      ...decider,
      reply: replyCode,
    },
  ),
  "content-repaired": declare(
    "info",
    "The server changed bare LF or CR in the content to CRLF, as `bare_line_ends` of the listener says, or removed an mbox line above the header; `repairs` says which.",
    "A signature that the client made over bare line ends no longer verifies.",
    { message, repairs: texts("What was repaired: `bare-lf`, `bare-cr`, `mbox-line`."), hint },
  ),
  "sender-checked": declare(
    "info",
    "SPF, DKIM, ARC, DMARC and reverse DNS of a stranger's message were evaluated, with these results.",
    "The message is delivered, delivered to Junk, refused or deferred, as `handling` says.",
    {
      message,
      client,
      from,
      author_domain: optional(text("The domain of the From field.")),
      spf: text("The result of SPF."),
      dkim: texts("The result of each signature, with its domain."),
      arc: text("The result of ARC."),
      dmarc: text("The result of DMARC."),
      policy: text("The policy of the domain."),
      iprev: text("The result of reverse DNS."),
      handling: text("What is done: `deliver`, `junk`, `reject` or `defer`."),
      why: text("Why."),
      setting,
    },
  ),
  "sender-check-failed": declare(
    "error",
    "A check of a message's sender failed because of an error in this server.",
    "The check counts as a temporary error. Please report this.",
    { check: text("The check that failed."), error },
  ),
  "message-accepted": declare(
    "info",
    "A message is durable in the spool and was answered 250.",
    "The server attempts delivery to its recipients at once.",
    {
      message,
      from,
      to: texts("The recipients, as the client gave them."),
      size: number("Octets of the content."),
      client,
      protocol: text("How it came: `ESMTP`, `ESMTPSA`, `LMTP`, …"),
      login: optional(text("The account that submitted it.")),
    },
  ),
  "forwarding-keys-changed": declare(
    "info",
    "The keys that sign rewritten reverse-paths changed: a key was created, or old keys expired.",
    "The newest key signs from now on. Older keys still verify addresses for as long as these are valid.",
    { made: number("Keys that were created."), kept: number("Keys that are still in use.") },
  ),
  "forwarding-unsealed": declare(
    "warn",
    "Mail to an address of this domain was forwarded without an ARC seal, because there is no RSA key to seal with.",
    "Logged once a day for each domain; `posthaste dkim generate` creates a key.",
    { domain },
  ),
};
