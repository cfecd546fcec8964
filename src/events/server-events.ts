/** What happens to the server as a whole: start, stop, settings, certificates, operators, the API. */
import { message, reason, where, error, path, key, problem, domain, siteKey } from "./common-fields.ts";
import { declare, list, number, object, optional, text, texts, time } from "./event-declaration.ts";

const certificate = {
  path,
  subject: text("The subject of the certificate."),
  names: text("The names that it is for."),
  valid_to: time("When it expires."),
  fingerprint: text("Its SHA-256 fingerprint."),
};

export const serverEvents = {
  "overload-began": declare(
    "warn",
    "The server is overloaded: `cause` is `memory`, `heap`, `disk`, `inodes`, `spool` or `event-loop`.",
    "New sessions get 421, and `/readyz` is 503; open sessions and deliveries continue. The server recovers once the cause is a fifth below its limit for five seconds.",
    {
      cause: text("What is strained."),
      value: number("The measure: octets, inodes or milliseconds. For disk and inodes, what is free."),
      limit: number("Its limit. For disk and inodes, what must be free."),
    },
  ),
  "overload-ended": declare("info", "The server is no longer overloaded.", "It serves new sessions again.", {
    cause: text("What was strained."),
  }),
  "server-started": declare("info", "All listeners are open and the queue runs.", "Mail is accepted.", {
    hostname: text("The `hostname` of the configuration."),
    mode: text("`production` or `development`."),
    data_dir: text("The data directory."),
    admin: text("The address of the API."),
  }),
  "server-stopping": declare(
    "info",
    "The server was asked to stop.",
    "The server accepts nothing new, and finishes or defers the deliveries in progress.",
    { within_ms: number("Milliseconds that sessions and deliveries have to end.") },
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
    {
      error,
      problems: optional(list("Each error of the configuration: `code`, `file`, `position`, `path`, `message`.")),
    },
  ),
  "sessions-limited": declare(
    "warn",
    "The system lets the process open fewer files than limits.connections would need.",
    "Clients beyond `sessions` get 421. Raise the limit (`LimitNOFILE=`, `ulimit -n`).",
    {
      open_files: number("Files that the process may have open."),
      connections: number("The setting `limits.connections`."),
      sessions: number("Sessions that there may be at once."),
    },
  ),
  "accept-failed": declare(
    "error",
    "The system could not accept a new connection: it is short of memory or another resource. Logged at most once in ten seconds.",
    "Open sessions continue; new ones are accepted when there is room.",
    { code: text("The error code of the system."), error },
  ),
  "data-dir-narrowed": declare(
    "warn",
    "Other users of this machine could access the data directory, which contains mail, private keys and the API token.",
    "Now only the server's user can access it (`chmod 700`).",
    { path, former: text("The old permissions, in octal.") },
  ),
  "admin-token-made": declare(
    "info",
    "The configuration has no token for the API, so one was created in the file that the event names.",
    "Requests to `admin.listen` must carry the token; commands use the control socket and do not need it.",
    { path },
  ),
  "listener-opened": declare("info", "A listener accepts connections.", "Sessions begin.", {
    kind: text("The kind of the listener: `mx`, `submission`, `submissions` or `lmtp`."),
    address: text("The address that it listens on."),
  }),
  "certificate-loaded": declare(
    "info",
    "A certificate was read, at start or because its file changed.",
    "New handshakes use it.",
    certificate,
  ),
  "certificate-self-signed": declare(
    "warn",
    "There is no certificate configured; a self-signed one is in use.",
    "Clients that verify certificates refuse it; configure [tls].",
    certificate,
  ),
  "certificate-warning": declare(
    "warn",
    "The certificate in use is out of date, which is logged when it is loaded and once a day, or this machine does not know its authority.",
    "The server still uses it, but programs that verify certificates refuse it. Renew it, or find out why the renewed one was not copied.",
    { path, problem },
  ),
  "certificate-expires": declare(
    "warn",
    "The certificate in use expires soon. Logged when 21, 7 and 1 days are left, at most once a day, and when it is loaded later than that. Certificates that are valid for less than 84 days have shorter times in proportion.",
    "The server uses it until it expires, and after that. Find out why it was not renewed, or why the renewed one was not copied.",
    {
      path,
      names: certificate.names,
      valid_to: certificate.valid_to,
      days: number("Whole days until it expires."),
    },
  ),
  "settings-warning": declare(
    "warn",
    "The configuration is valid, but one setting is probably not intended: the event has the key and the problem.",
    "The server uses the configuration. `posthaste check config` shows the same warning with its line.",
    { key, problem },
  ),
  "certificate-failed": declare(
    "error",
    "A changed certificate cannot be used: it cannot be read, does not belong to its key, is out of date, is for other names, or its chain is incomplete.",
    "The old certificate stays in use.",
    { path, error },
  ),
  "account-problem": declare(
    "warn",
    "An alias, a catch-all or a user created by `posthaste user` conflicts with the rest of the configuration.",
    "Everything else keeps working; mail for that address may be deferred or refused.",
    { key, problem },
  ),
  "clock-set": declare(
    "warn",
    "The system's clock was set, or the machine slept, so that the time of day jumped by more than a minute.",
    "The server attempts all mail that is now due. For an hour after a step forward, no mail expires and no sender gets a delay warning because of it.",
    { by_seconds: number("Seconds by which the clock jumped; negative: back.") },
  ),
  "clock-behind-spool": declare(
    "warn",
    "The system's clock is far behind the newest time in the spool. Either it was set back while the server was stopped, or it was wrong before.",
    "The server attempts all scheduled mail now, once, since it would otherwise wait for the clock. Check the system's clock and its time synchronization. If the clock is right, the dates of messages that were received by the wrong clock are in the future, and these messages expire later.",
    {
      behind_seconds: number("Seconds by which the clock is behind."),
      newest: time("When the newest message was last changed, by the clock of that time."),
    },
  ),
  "control-command": declare(
    "info",
    "An operator changed something; `over` says whether through the control socket or HTTP. `command` is the API request, and the other fields show what was changed and how much.",
    "The server has made the change. It does not log requests that only read or that it refused.",
    {
      over: text("How the command came: `control socket` or `http`."),
      command: text("Method and path of the request."),
      site: optional(siteKey),
      reason: optional(text("What the operator gave as the reason.")),
      retried: optional(number("Recipients that are tried now.")),
      filter: optional(object("What was selected.")),
      count: optional(number("Recipients that were changed.")),
      underWay: optional(number("Recipients that were not changed because a delivery is in progress.")),
      user: optional(text("The user.")),
      key: optional(text("The label of a user's key or app password.")),
      grant: optional(text("As whom the user may send, or no longer may.")),
      network: optional(text("The network whose bans were lifted.")),
      lifted: optional(number("Bans that were lifted.")),
      domain: optional(domain),
      selectors: optional(texts("The selectors of DKIM keys.")),
      deleted: optional(number("Captured messages that were deleted.")),
    },
  ),
  "http-request-refused": declare(
    "warn",
    "The server refused an HTTP request because its Host or Origin is not allowed, or because it had no valid token or app password.",
    "Nothing.",
    { path: text("The path of the request."), reason },
  ),
  "internal-error": declare(
    "error",
    "An internal error in Posthaste; the server gave up only the session, message or task concerned. The event has the place and the cause.",
    "Please report it with the text of the event.",
    { where, message: optional(message), error },
  ),
};
