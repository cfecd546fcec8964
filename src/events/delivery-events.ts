/** What becomes of recipients: each attempt, the sites that mail goes to, and the queue. */
import { message, from, reason, error, siteKey, status, by, until, count, attempt } from "./common-fields.ts";
import { declare, flag, number, optional, text, time } from "./event-declaration.ts";

const site = {
  site: siteKey,
  description: text("A readable description of the site."),
  reply: optional(text("What its hosts last answered.")),
};

const peer = {
  site: siteKey,
  host: text("The name of the host."),
  address: text("Its address."),
};
const host = { message, ...peer };

export const deliveryEvents = {
  "recipient-delivered": declare("info", "A recipient's copy is in the final mailbox.", "Nothing.", attempt),
  "recipient-relayed": declare(
    "info",
    "Another server accepted a recipient's copy.",
    "None; that server is now responsible for it.",
    attempt,
  ),
  "recipient-deferred": declare(
    "info",
    "An attempt failed temporarily.",
    "The next attempt follows at the time given.",
    { ...attempt, due: time("When the next attempt is due.") },
  ),
  "recipient-failed": declare(
    "warn",
    "Delivery to a recipient failed permanently.",
    "The sender gets a report, if one is due.",
    attempt,
  ),
  "recipient-expired": declare(
    "warn",
    "A recipient was in the queue for too long.",
    "The sender gets a report, if one is due.",
    attempt,
  ),
  "recipient-held": declare(
    "warn",
    "A recipient is on hold until an operator releases it.",
    "`posthaste queue release` releases it for delivery, `remove` deletes it.",
    {
      message,
      from: optional(from),
      recipient: optional(text("The recipient; absent: all that waited.")),
      by: text("Who holds it: `operator`, `queue`, `loop-breaker` or `spool`."),
      reason,
    },
  ),
  "mail-held-long": declare(
    "warn",
    "Recipients are held whose messages are older than a day; logged once a day, and sent to the postmaster.",
    "`posthaste queue list --state held` lists them, `queue release` releases them for delivery, and `queue remove` deletes them. At the age of `expire` they expire, and their senders get a report.",
    {
      recipients: number("Recipients that are held for so long."),
      oldest: time("When the oldest of their messages was accepted."),
    },
  ),
  "queue-paused": declare(
    "warn",
    "Deliveries pause because the spool cannot record outcomes.",
    "They continue when it can.",
    { reason },
  ),
  "queue-resumed": declare("info", "The spool records outcomes again.", "Deliveries continue.", {
    unrecorded: number("Outcomes that are still to be recorded."),
  }),
  "claim-lost": declare(
    "warn",
    "The claim on a message ended before the result was recorded: another claim replaced it, or the message was held or removed.",
    "The server discards the result; the new owner of the message decides.",
    { message, recipients: number("Recipients whose result is discarded.") },
  ),
  "site-resting": declare(
    "warn",
    "None of a site's hosts could be reached.",
    "Until the time given, its recipients are deferred without an attempt; then one delivery tests it.",
    { ...site, until: optional(until) },
  ),
  "site-rest-ordered": declare(
    "info",
    "An operator paused deliveries to a site; the event has the reason.",
    "Until the time given, its recipients are deferred without an attempt.",
    { site: siteKey, until, by, reason },
  ),
  "site-woken": declare("info", "An operator ended the pause of a site.", "The server tries its waiting mail now.", {
    site: siteKey,
    by,
  }),
  "site-recovered": declare(
    "info",
    "A site that could not be reached can be reached again.",
    "Deliveries to it continue at the full rate.",
    site,
  ),
  "site-limited": declare(
    "info",
    "A site answered 421: it wants fewer connections.",
    "The server opens fewer; the number doubles at the time given, until it is normal again.",
    {
      ...site,
      limit: number("Largest number of connections that the server opens at present."),
      until: optional(time("When the number doubles.")),
    },
  ),
  "local-delivery-failed": declare(
    "warn",
    "Mail could not be written to a mailbox or folder of this machine; the event has path and cause.",
    "It waits in the queue and is tried again.",
    { message, where: text("The route."), error },
  ),
  "program-failed": declare(
    "warn",
    "The program that embeds the server and receives its mail threw an error, returned an invalid answer, or did not answer in time.",
    "The message waits in the queue, and the server will hand it to the program again. Correct the program.",
    { message, error },
  ),
  "routing-failed": declare(
    "warn",
    "A recipient's route cannot be used because of this machine or its settings: the host of a `[[route]]` has no address or is this server, or something failed here. The event has the route and the cause.",
    "The mail waits in the queue and is tried again. If `error` mentions uv_interface_addresses, the service unit forbids AF_NETLINK.",
    { route: text("The domain or host whose route was looked up."), status, reason, error },
  ),
  "relay-login-failed": declare(
    "warn",
    "A next hop refused the login of its route, or the login could not be sent; the event has the host, the account and the reason.",
    "Mail for the route waits in the queue and is tried again: correct `auth` of the `[[route]]` and reload.",
    { ...host, account: text("The user name of the route."), reason },
  ),
  "relay-consent-gone": declare(
    "error",
    "The provider of a relay host says that an account has no consent any more, so the server cannot get an access token.",
    "Mail for its routes waits in the queue: run `posthaste route login` for the account. The server asks the provider again once an hour, in case the answer was a mistake.",
    { client: text("The name of the `[[oauth.client]]`."), account: text("The account at the relay host."), reason },
  ),
  "relay-login-missing": declare(
    "warn",
    "A relay host asks for a login, and its route has none; the event has the host and its reply.",
    "Mail for the route waits in the queue and is tried again: set `auth` of the `[[route]]`, with the user name and the password that the relay host expects, and reload.",
    { ...host, reason },
  ),
  "connection-failed": declare("debug", "A next hop's host could not be reached.", "The next address is tried.", {
    ...host,
    reason,
  }),
  "connection-phase": declare(
    "debug",
    "A connection to a mail host changed its phase, as `docs/states.md` shows.",
    "The connection continues in the new phase.",
    {
      ...peer,
      from: text("The phase before."),
      event: text("What happened."),
      to: text("The phase after."),
    },
  ),
  "tls-fell-back": declare(
    "warn",
    "Opportunistic TLS failed before MAIL, so the server connected again without TLS.",
    "The attempt continues without TLS.",
    { ...host, reason },
  ),
  "mail-host-excluded": declare(
    "warn",
    "A mail host was excluded because the policy that its domain publishes forbids it, or because a DNS failure hid whether there is a policy.",
    "The server uses other hosts of the domain. If there are none, the mail is deferred with 4.7.5.",
    {
      domain: text("Whose mail the host takes."),
      host: text("The host."),
      rule: text("`dane` or `mta-sts`."),
      reason,
    },
  ),
  "mta-sts-policy-failed": declare(
    "warn",
    "The MTA-STS policy of a domain could not be fetched or read.",
    "A policy that was fetched before stays in force until it expires; without one, mail goes out as to a domain without MTA-STS. The next fetch is five minutes later at the earliest.",
    {
      domain: text("The domain."),
      fault: text("`sts-policy-fetch-error`, `sts-policy-invalid` or `sts-webpki-invalid` (RFC 8460 §4.3)."),
      reason,
      kept: flag("Whether an earlier policy is in force."),
    },
  ),
  "mta-sts-policy-not-kept": declare(
    "error",
    "The MTA-STS policy of a domain, or the result of looking for it, could not be written to the spool.",
    "The policy applies to the mail that is being sent now. The server fetches the policy again for the next message.",
    { domain: text("The domain."), reason },
  ),
  "dane-inactive": declare(
    "warn",
    "DANE is enabled, but the DNS servers in use do not validate DNSSEC, or the configuration does not trust them.",
    "DANE applies to no host. Use a validating resolver on this machine, or set `dns.trusted`, or turn off `outbound.dane`. Logged at most once a day.",
  ),
  "dns-busy": declare(
    "warn",
    "The server gave up DNS queries because too many others were waiting, `count` of them since the last such event. `purpose`: `inbound` checks who sent a message, `outbound` finds next hops, `upkeep` is the server's own; `client` is the network or domain of the last one.",
    "Checks count it as a temporary error; deliveries are tried again. If it continues, the DNS servers are slow, or a client sends mail that names many servers that do not answer.",
    {
      purpose: text("`inbound`, `outbound` or `upkeep`."),
      client: optional(text("The network of the client, or the domain, of the last one.")),
      count,
    },
  ),
  "dns-failed": declare("warn", "A DNS lookup failed temporarily.", "The mail that needed it is deferred.", {
    name: text("The name that was looked up."),
    type: text("The type of record."),
    reason,
  }),
};
