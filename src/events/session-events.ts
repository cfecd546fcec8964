/** What happens in sessions with clients. */
import { client, decider, reason, setting, replyCode, hint, error, count } from "./common-fields.ts";
import { declare, flag, number, optional, text, time } from "./event-declaration.ts";

const login = {
  client,
  mechanism: optional(text("The mechanism of AUTH.")),
  username: text("The user name that the client gave."),
};

export const sessionEvents = {
  "session-opened": declare(
    "debug",
    "A client connected, or a proxy named its client by XCLIENT.",
    "The greeting is sent.",
    {
      listener: text("The kind of the listener."),
      client,
      proxy: optional(text("The address of the proxy that passes the connection on by a PROXY header or by XCLIENT.")),
      proxy_tls: optional(text("The TLS between client and proxy, as the proxy tells it.")),
      server_name: optional(text("The server name that the client gave the proxy, as the proxy tells it.")),
    },
  ),
  "proxy-header-refused": declare(
    "info",
    "A connection was closed before a session began because of its PROXY header: the header is `absent`, `malformed`, `unsupported`, `too-long`, or has a wrong `checksum`; it did not arrive in ten seconds (`timeout`), or the connection ended first (`lost`); `too-many` connections wait for one; or the connection comes from an address that is `not-listed` in `proxy.from`, while `proxy.required` is set.",
    "If `client` is your proxy, make it send the header (HAProxy: `send-proxy-v2`). If it is a client, it must connect through the proxy.",
    { client, listener: text("The kind of the listener."), reason, error: optional(text("How the connection broke.")) },
  ),
  "client-addresses-hidden": declare(
    "warn",
    "Every client from outside seems to be the one private address `client`: something in front of the server, such as a container's bridge or a gateway, hides the addresses of clients.",
    "Nothing is trusted and nobody is judged because of this address. SPF, limits and bans need the real addresses: let a proxy send a PROXY header, or give the container the network of the host. See docs/proxies.md.",
    { client, sessions: number("Sessions that led to this.") },
  ),
  "client-addresses-visible": declare(
    "info",
    "A client came from another address than `client`, so the addresses of clients are no longer taken for hidden.",
    "Addresses count again.",
    { client },
  ),
  "session-phase": declare(
    "debug",
    "A session changed its phase, as `docs/states.md` shows.",
    "The session continues in the new phase.",
    {
      from: text("The phase before."),
      event: text("What happened."),
      to: text("The phase after."),
    },
  ),
  "session-closed": declare("debug", "A session ended, for the cause given.", "Nothing.", {
    cause: text("Why it ended."),
    client,
    duration_ms: number("Milliseconds since it began."),
    messages: number("Messages accepted in it."),
    error: optional(text("How the connection broke.")),
  }),
  "session-tls": declare("debug", "TLS was established in a session.", "The client sends EHLO again.", {
    protocol: text("The version of TLS."),
    cipher: text("The cipher suite."),
    resumed: flag("Whether an earlier TLS session was resumed."),
    server_name: optional(text("The name that the client asked for (SNI).")),
  }),
  "session-tls-failed": declare("info", "A TLS handshake with a client failed.", "The session is closed.", {
    client,
    error,
    hint,
  }),
  "connections-dropped": declare(
    "warn",
    "Connections were closed without a reply, `count` of them since the last such event: `silent` ones, which had not completed a TLS handshake or introduced themselves, and `idle` ones lost their place to others because the server was full; `refused` ones did not leave after their 421; `overloaded`: the server is overloaded and makes no TLS handshakes; `client-connection-rate`: a network connects too often. `client` is the last one's network. Logged at most once in ten seconds for each reason.",
    "Well-behaved clients connect again. If one network keeps appearing, block it in the firewall.",
    { reason, client: text("The network of the last client."), count },
  ),
  "network-banned": declare(
    "warn",
    "A network used up its allowance of an offence and is banned for a time. This line is stable: `contrib/fail2ban/posthaste.conf` reads it.",
    "Clients of the network receive 421. `posthaste bans lift` ends the ban.",
    {
      client: text("The address that committed the last offence."),
      network: text("The network: an IPv4 address or an IPv6 /64."),
      service: text("What it is banned from: `mail` or `submission`."),
      offence: text("`failed-login`, `unknown-recipient` or `error`."),
      times: number("Bans in a row, this one among them."),
      until: time("When the ban ends."),
    },
  ),
  "blocklist-works": declare("info", "A DNS list has passed its self-test.", "Its entries count from now on.", {
    zone: text("The list."),
  }),
  "blocklist-unusable": declare(
    "warn",
    "A DNS list cannot be used: `answers-everything` (its domain may have been sold), `refuses-queries` (as lists do with public resolvers), `test-entry-missing`, or `unreachable`.",
    "It counts for nothing until it passes the self-test, which is repeated every hour. Use a resolver of your own, or remove the list.",
    { zone: text("The list."), reason },
  ),
  "ban-lifted": declare("info", "An operator ended a ban.", "The network is served again.", {
    network: text("The network."),
    service: text("What it was banned from."),
  }),
  "session-shed": declare(
    "warn",
    "The server closed a session because its input did not fit into limits.session_memory.",
    "The client receives 421, unless it was waiting for another reply, and tries again.",
    { client, reason, setting },
  ),
  "session-refused": declare(
    "info",
    "A client was refused when it connected, or when it introduced itself.",
    "The client receives the reply; it may be 421 or 554.",
    { client, reason, ...decider, reply: replyCode },
  ),
  "command-refused": declare(
    "info",
    "The server refused a command because of its syntax, its position in the session, or a limit.",
    "The session continues until the limit of errors. A repeated temporary refusal is not logged again.",
    {
      client,
      command: optional(text("The command; absent: the input is no SMTP.")),
      argument: optional(text("Its argument.")),
      reply: text("The reply."),
      hint,
    },
  ),
  "login-succeeded": declare("info", "A client logged in.", "It may submit for its addresses.", {
    ...login,
    login: text("The account."),
    by: optional(text("The key or the certificate that it signed in with.")),
  }),
  "login-failed": declare("warn", "A login was refused.", "The client may try again until the limit of errors.", {
    ...login,
    reason,
    retry_after_seconds: optional(number("Seconds until this client may try again.")),
    detail: optional(text("What is wrong with an OAuth token.")),
    error: optional(text("Why logging in is impossible at the moment.")),
  }),
};
