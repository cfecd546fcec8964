/**
 * Every event of the log, declared once: level, what it means, what happens next. docs/log-events.md is generated from
 * this table, and a test holds both together.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogEventDeclaration {
  readonly level: LogLevel;
  readonly meaning: string;
  readonly next: string;
}

function declare(level: LogLevel, meaning: string, next: string): LogEventDeclaration {
  return { level, meaning, next };
}

export const logEvents = {
  "server-started": declare("info", "All listeners are open and the queue runs.", "Mail is accepted."),
  "server-stopping": declare(
    "info",
    "The server was asked to stop.",
    "The server accepts nothing new, and finishes or defers the deliveries in progress.",
  ),
  "server-stopped": declare("info", "The server has written everything to disk and closed it.", "The process ends."),
  "settings-reloaded": declare(
    "info",
    "The server checked the changed configuration completely and now uses it.",
    "Open sessions keep the configuration that they started with.",
  ),
  "settings-refused": declare(
    "error",
    "The changed configuration has errors, so the server did not load it.",
    "The server keeps using the previous one.",
  ),
  "sessions-limited": declare(
    "warn",
    "The system lets the process open fewer files than limits.connections would need.",
    "Clients beyond `sessions` get 421. Raise the limit (`LimitNOFILE=`, `ulimit -n`).",
  ),
  "accept-failed": declare(
    "error",
    "The system could not accept a new connection: it is short of memory or another resource. Logged at most once in ten seconds.",
    "Open sessions continue; new ones are accepted when there is room.",
  ),
  "data-dir-narrowed": declare(
    "warn",
    "Other users of this machine could access the data directory, which contains mail, private keys and the API token.",
    "Now only the server's user can access it (`chmod 700`).",
  ),
  "admin-token-made": declare(
    "info",
    "The configuration has no token for the API, so one was created in the file that the event names.",
    "Requests to `admin.listen` must carry the token; commands use the control socket and do not need it.",
  ),
  "listener-opened": declare("info", "A listener accepts connections.", "Sessions begin."),
  "certificate-loaded": declare(
    "info",
    "A certificate was read, at start or because its file changed.",
    "New handshakes use it.",
  ),
  "certificate-self-signed": declare(
    "warn",
    "There is no certificate configured; a self-signed one is in use.",
    "Clients that verify certificates refuse it; configure [tls].",
  ),
  "certificate-warning": declare(
    "warn",
    "The certificate in use is out of date, expires within 14 days (a quarter of its time, where that is less), or is not for `hostname`. Logged when it is loaded and once a day.",
    "The server still uses it, but programs that verify certificates refuse it once it has expired. Renew it, or find out why the renewed one was not copied.",
  ),
  "settings-warning": declare(
    "warn",
    "The configuration is valid, but one setting is probably not intended: the event has the key and the problem.",
    "The server uses the configuration. `posthaste check config` shows the same warning with its line.",
  ),
  "certificate-failed": declare(
    "error",
    "A changed certificate cannot be used: it cannot be read, does not belong to its key, or is out of date.",
    "The old certificate stays in use.",
  ),
  "account-problem": declare(
    "warn",
    "An alias, a catch-all or a user made by `posthaste user` does not fit the rest of the configuration.",
    "Everything else keeps working; mail for that address may be deferred or refused.",
  ),
  "session-opened": declare("debug", "A client connected.", "The greeting is sent."),
  "session-closed": declare("debug", "A session ended, for the cause given.", "Nothing."),
  "session-tls": declare("debug", "TLS was established in a session.", "The client sends EHLO again."),
  "session-tls-failed": declare("info", "A TLS handshake with a client failed.", "The session is closed."),
  "connections-dropped": declare(
    "warn",
    "Connections were closed without a reply, `count` of them since the last such line: `silent` ones, which had not completed a TLS handshake or introduced themselves, and `idle` ones lost their place to others because the server was full; `refused` ones did not leave after their 421; `client-connection-rate`: a network connects too often. `client` is the last one's network. Logged at most once in ten seconds for each reason.",
    "Well-behaved clients connect again. If one network keeps appearing, block it in the firewall.",
  ),
  "session-shed": declare(
    "warn",
    "The server closed a session because its input did not fit into limits.session_memory.",
    "The client receives 421, unless it was waiting for another reply, and tries again.",
  ),
  "session-refused": declare("info", "A client was refused at connection time.", "The client receives 421 or 554."),
  "command-refused": declare(
    "info",
    "The server refused a command because of its syntax, its position in the session, or a limit.",
    "The session continues until the limit of errors. A repeated temporary refusal is not logged again.",
  ),
  "login-succeeded": declare("info", "A client logged in.", "It may submit for its addresses."),
  "login-failed": declare("warn", "A login was refused.", "The client may try again until the limit of errors."),
  "mail-refused": declare("info", "A reverse-path was refused, for the reason given.", "No transaction begins."),
  "recipient-refused": declare(
    "info",
    "A recipient was refused, for the reason given.",
    "The transaction continues without it.",
  ),
  "content-refused": declare(
    "info",
    "Content was refused after it arrived, for the reason given.",
    "The server keeps none of it.",
  ),
  "content-repaired": declare(
    "info",
    "Bare LF or CR in content was made CRLF, as the listener's bare_line_ends says, or an mbox line ahead of the header was left out; `repairs` tells which.",
    "A signature that the client made over bare line ends no longer verifies.",
  ),
  "sender-checked": declare(
    "info",
    "SPF, DKIM, ARC, DMARC and reverse DNS of a stranger's message were evaluated, with these results.",
    "The message is delivered, delivered to Junk, refused or deferred, as `handling` says.",
  ),
  "sender-check-failed": declare(
    "error",
    "A check of a message's sender failed because of an error in this server.",
    "The check counts as a temporary error. Please report this.",
  ),
  "message-accepted": declare(
    "info",
    "A message is durable in the spool and was answered 250.",
    "The server attempts delivery to its recipients at once.",
  ),
  "forwarding-keys-changed": declare(
    "info",
    "The keys that sign rewritten reverse-paths were changed: one was created, or old ones expired.",
    "The newest signs from now on; the ones before it still verify while addresses made with them are valid.",
  ),
  "forwarding-unsealed": declare(
    "warn",
    "Mail to an address of this domain was forwarded without an ARC seal, because there is no RSA key to seal with.",
    "Logged once a day for each domain; `posthaste dkim generate` creates a key.",
  ),
  "recipient-delivered": declare("info", "A recipient's copy is in the final mailbox.", "Nothing."),
  "recipient-relayed": declare(
    "info",
    "Another server accepted a recipient's copy.",
    "None; that server is now responsible for it.",
  ),
  "recipient-deferred": declare(
    "info",
    "An attempt failed temporarily.",
    "The next attempt follows at the time given.",
  ),
  "recipient-failed": declare(
    "warn",
    "Delivery to a recipient failed permanently.",
    "The sender gets a report, if one is due.",
  ),
  "recipient-expired": declare(
    "warn",
    "A recipient was in the queue for too long.",
    "The sender gets a report, if one is due.",
  ),
  "recipient-held": declare(
    "warn",
    "A recipient is on hold until an operator releases it.",
    "`posthaste queue release` releases it for delivery, `remove` deletes it.",
  ),
  "mail-held-long": declare(
    "warn",
    "Recipients are held whose messages are older than a day; logged once a day, and sent to the postmaster.",
    "`posthaste queue list --state held` lists them, `queue release` releases them for delivery, and `queue remove` deletes them. At the age of `expire` they expire, and their senders get a report.",
  ),
  "report-queued": declare(
    "info",
    "A delivery status notification was queued.",
    "It is delivered to the reverse-path.",
  ),
  "report-withheld": declare("info", "No report was made, for the reason given.", "Nothing."),
  "report-undeliverable": declare(
    "warn",
    "A report could not be delivered and was dropped: the server never reports on a report.",
    "`posthaste explain` shows the history of the message.",
  ),
  "dmarc-report-queued": declare(
    "info",
    "The daily aggregate report for a domain was queued.",
    "It is delivered to the addresses that the domain's DMARC record names.",
  ),
  "dmarc-report-not-sent": declare(
    "info",
    "A domain requests aggregate reports, but the report for this day could not be sent, for the reason given.",
    "The counts of the day are dropped.",
  ),
  "dmarc-counts-dropped": declare(
    "warn",
    "The server saw more different senders in a day than aggregate reports have room for.",
    "The messages counted here are missing from the reports; mail is not affected.",
  ),
  "report-received": declare(
    "info",
    "An aggregate or TLS report arrived at the address for reports and was stored.",
    "`posthaste reports show` shows it.",
  ),
  "reports-removed": declare(
    "warn",
    "More reports, or more mail without one (`doubtful`), arrived at the address for reports than the server keeps.",
    "The server deleted the oldest early. Someone may be sending reports to fill the disk.",
  ),
  "report-unreadable": declare(
    "warn",
    "Mail to the address for reports contained no readable report.",
    "`posthaste reports list` shows it with the reason; no notice is sent.",
  ),
  "queue-paused": declare(
    "warn",
    "Deliveries pause because the spool cannot record outcomes.",
    "They continue when it can.",
  ),
  "clock-set": declare(
    "warn",
    "The system's clock was set, or the machine slept, so that the time of day jumped by more than a minute.",
    "The server attempts all mail that is now due. For an hour after a step forward, no mail expires and no sender gets a delay warning because of it.",
  ),
  "queue-resumed": declare("info", "The spool records outcomes again.", "Deliveries continue."),
  "claim-lost": declare(
    "warn",
    "The claim on a message ended before the result was recorded: another claim replaced it, or the message was held or removed.",
    "The server discards the result; the new owner of the message decides.",
  ),
  "site-resting": declare(
    "warn",
    "None of a site's hosts could be reached.",
    "Until the time given, its recipients are deferred without an attempt; then one delivery tests it.",
  ),
  "site-rest-ordered": declare(
    "info",
    "An operator paused deliveries to a site; the event has the reason.",
    "Until the time given, its recipients are deferred without an attempt.",
  ),
  "site-woken": declare("info", "An operator ended the pause of a site.", "The server tries its waiting mail now."),
  "site-recovered": declare(
    "info",
    "A site that could not be reached can be reached again.",
    "Deliveries to it continue at the full rate.",
  ),
  "site-limited": declare(
    "info",
    "A site answered 421: it wants fewer connections.",
    "The server opens fewer; the number doubles at the time given, until it is normal again.",
  ),
  "spool-recovered": declare(
    "info",
    "The spool was opened; claims of an earlier process went back to the schedule.",
    "They are attempted when due.",
  ),
  "spool-failed": declare(
    "error",
    "The spool could not commit: the disk is full or fails.",
    "A client receives 451 or 452 and keeps its message; the queue tries again.",
  ),
  "spool-damaged": declare(
    "error",
    "A part of the spool cannot be read: the disk has lost something of the file or message named.",
    "What is stored there is skipped or held; all other mail is delivered as usual. Stop the server and run `posthaste spool check`, which lists what each message has lost; docs/reliability.md describes the next steps.",
  ),
  "space-short": declare(
    "warn",
    "The disk with the data directory has less room than `limits.free_space` keeps free.",
    "The server refuses mail with 452, and `/readyz` is 503, until there is room; deliveries continue.",
  ),
  "space-enough": declare("info", "The disk with the data directory has room again.", "The server accepts mail again."),
  "spool-check-skipped": declare(
    "info",
    "The database of the spool is too large, or its disk too slow, to be checked before the start; `skipped` says which.",
    "The server starts and logs damage when it finds it. `posthaste spool check`, run while the server is stopped, checks everything.",
  ),
  "local-delivery-failed": declare(
    "warn",
    "Mail could not be written to a mailbox or folder of this machine; the event has path and cause.",
    "It waits in the queue and is tried again.",
  ),
  "spool-thread-gone": declare(
    "error",
    "A thread of the spool ended by itself.",
    "The server exits with code 70 so that it is restarted; all mail that it acknowledged is on disk.",
  ),
  "routing-failed": declare(
    "warn",
    "A recipient's route cannot be used because of this machine or its settings: the host of a `[[route]]` has no address or is this server, or something failed here. The event has the route and the cause.",
    "The mail waits in the queue and is tried again. If `error` mentions uv_interface_addresses, the service unit forbids AF_NETLINK.",
  ),
  "relay-login-failed": declare(
    "warn",
    "A next hop refused the login of its route, or the login could not be sent; the event has the host, the account and the reason.",
    "Mail for the route waits in the queue and is tried again: correct `auth` of the `[[route]]` and reload.",
  ),
  "connection-failed": declare("debug", "A next hop's host could not be reached.", "The next address is tried."),
  "tls-fell-back": declare(
    "warn",
    "Opportunistic TLS failed before MAIL, so the server connected again without TLS.",
    "The attempt continues without TLS.",
  ),
  "dns-busy": declare(
    "warn",
    "The server gave up DNS queries because too many others were waiting, `count` of them since the last such line. `purpose`: `inbound` checks who sent a message, `outbound` finds next hops, `upkeep` is the server's own; `client` is the network or domain of the last one.",
    "Checks count it as a temporary error; deliveries are tried again. If it continues, the DNS servers are slow, or a client sends mail that names many servers that do not answer.",
  ),
  "dns-failed": declare("warn", "A DNS lookup failed temporarily.", "The mail that needed it is deferred."),
  "dkim-key-generated": declare(
    "info",
    "A DKIM key was created.",
    "The server checks the DNS for its record; `posthaste dkim show` prints the record to publish.",
  ),
  "dkim-key-published": declare(
    "info",
    "The record of a new DKIM key was seen in DNS.",
    "Mail is signed with the key when the record is still there after its TTL.",
  ),
  "dkim-key-unpublished": declare(
    "warn",
    "The record of a new DKIM key was visible in DNS, but has disappeared.",
    "The server keeps checking; the key does not sign yet.",
  ),
  "dkim-key-active": declare("info", "A DKIM key began to sign.", "The server signs mail of its domain with this key."),
  "dkim-key-vanished": declare(
    "warn",
    "The record of a signing DKIM key is no longer in DNS, or no longer holds that key.",
    "Until the record is back, the server signs mail with the domain's other visible keys, or sends it unsigned.",
  ),
  "dkim-key-returned": declare("info", "The record of a DKIM key is in DNS (again).", "The key signs from now on."),
  "dkim-key-retiring": declare(
    "info",
    "A DKIM key was replaced by a newer one.",
    "Its record must stay in DNS for mail on its way; `posthaste dkim show` says until when.",
  ),
  "dkim-key-retired": declare(
    "info",
    "A replaced DKIM key has expired; its private key was deleted.",
    "Remove its record from DNS.",
  ),
  "dkim-key-removed": declare(
    "info",
    "The record of a retired DKIM key has been removed from DNS.",
    "The server forgets the key.",
  ),
  "dkim-key-withdrawn": declare(
    "info",
    "An operator removed a DKIM key; its private key was deleted.",
    "It no longer signs mail; `posthaste dkim show` says whether its record must still stay in DNS.",
  ),
  "dkim-record-differs": declare(
    "warn",
    "The DNS record under a DKIM key's name does not hold this server's key.",
    "The key does not sign; `posthaste dkim show` prints the record to publish.",
  ),
  "dkim-key-problem": declare("warn", "A declared DKIM key cannot be used, for the reason given.", "It does not sign."),
  "signing-failed": declare(
    "error",
    "A message could not be signed, although there is a key for it.",
    "It is sent unsigned.",
  ),
  "control-command": declare(
    "info",
    "An operator changed something, `over` the control socket or HTTP: `command` is the request of the API, the other fields are what was changed and how much.",
    "The server has made the change. It does not log requests that only read or that it refused.",
  ),
  "http-request-refused": declare(
    "warn",
    "An HTTP request with a foreign Host or Origin, or without a token, was refused.",
    "Nothing.",
  ),
  "internal-error": declare(
    "error",
    "An internal error in Posthaste; the server gave up only the session, message or task concerned. The event has the place and the cause.",
    "Please report it with the text of the event.",
  ),
} as const satisfies Record<string, LogEventDeclaration>;

export type LogEventName = keyof typeof logEvents;
