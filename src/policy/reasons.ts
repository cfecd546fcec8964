/**
 * Every reason for which mail is refused, once: what the peer hears, what it means, what to do. docs/refusals.md is made
 * from this. Why mail is taken is in `acceptances.ts`.
 */
import { type DeclaredRefusal, type NamesIn, refusal } from "./declared-refusal.ts";

const connections = {
  "too-many-connections": refusal(421, "4.3.2", "Too many sessions, try again later", {
    meaning: "The server has reached its limit of open connections, and none of them is silent or idle.",
    next: "The client tries again. Raise the limit if the machine has room for more.",
    setting: "limits.connections",
  }),
  overloaded: refusal(421, "4.3.2", "The server is overloaded, try again later", {
    meaning:
      "Memory, disk space, inodes, the spool or the event loop is overloaded; `cause` says which. Open sessions and deliveries continue.",
    next: "The client tries again, and the server recovers automatically. See the log event `overload-began`, and `limits.memory_share`, `limits.free_space`, `limits.free_inodes`, `limits.spool_delay` and `limits.event_loop_delay`.",
  }),
  "too-many-client-connections": refusal(421, "4.7.0", "Too many sessions from your network, try again later", {
    meaning: "The client's network has reached its limit of open connections.",
    next: "The client tries again. List it in `relay.networks` if it is yours, or raise the limit.",
    setting: "limits.client_connections",
  }),
  "client-connection-rate": refusal(421, "4.7.0", "Too many connections from your network, try again later", {
    meaning: "The client's network opened more connections in a minute than the limit allows.",
    next: "The client tries again. List it in `relay.networks` if it is yours, or raise the limit.",
    setting: "limits.client_connection_rate",
  }),
  "host-accepts-no-mail": refusal(521, "5.3.2", "This host accepts no mail", {
    meaning: "The listener is one that accepts no mail at all (RFC 7504).",
    next: "The sender needs another address. If the listener should receive mail, set `accepts_mail`.",
    setting: "listener accepts_mail",
  }),
  "network-banned": refusal(421, "4.7.0", "Too many {offences} from your network, try again later", {
    meaning:
      "The client's network is banned for a time because of failed logins, unknown recipients or errors. The same reply answers AUTH and MAIL in sessions that were open when the ban began.",
    next: "The client tries again. `posthaste bans explain ADDRESS` shows the reason, `posthaste bans lift ADDRESS` ends the ban, and `bans.never` prevents bans of a network.",
    setting: "bans",
  }),
};

const senders = {
  "login-needed": refusal(530, "5.7.0", "Authentication required", {
    meaning: "A client that has not logged in tries to submit mail.",
    next: "Configure the client to log in.",
  }),
  "sender-domain-not-qualified": refusal(554, "5.1.8", "The sender's domain is not fully qualified", {
    meaning: "A client submitted mail from a domain with a single label, to which other servers cannot reply.",
    next: "Configure the client to use its full address.",
  }),
  "sender-not-of-login": refusal(550, "5.7.1", "You may not send as this sender", {
    meaning: "The reverse-path does not belong to the logged-in user.",
    next: "Send from an address of the user, or allow it: `posthaste user grant add USER SENDER`, `send_as` of the user, or an alias that forwards to the user.",
  }),
  "client-message-rate": refusal(450, "4.7.1", "Too many messages from your network, try again later", {
    meaning: "The client's network sent more messages in a minute than the limit allows.",
    next: "The client tries again. List it in `relay.networks` if it is yours, or raise the limit.",
    setting: "limits.client_message_rate",
  }),
};

const recipients = {
  "too-many-new-recipients": refusal(450, "4.7.1", "Too many new recipients today, try again tomorrow", {
    meaning: "In 24 hours, the user has written to more new addresses than the limit allows.",
    next: "Find out whether the user sent this mail, because thieves use stolen passwords to write to strangers. If the user did not send it, change the password. If the user did, raise the limit. Mail to addresses that the user wrote to before is accepted.",
    setting: "limits.new_recipients",
  }),
  "relay-denied": refusal(550, "5.7.1", "Relaying denied: authenticate, or send to a local address", {
    meaning: "The recipient's domain is not local, and the client may not relay through this server.",
    next: "Log in, or list the client in `relay.networks`. If the domain is yours, declare it as a `[[domain]]`.",
    setting: "relay.networks",
  }),
  "not-local": refusal(550, "5.1.2", "Only local recipients are accepted here", {
    meaning: "A client gave an LMTP listener a recipient that is not local. LMTP is for final delivery only.",
    next: "Send such mail to an SMTP listener.",
    setting: "listener kind lmtp",
  }),
  "recipient-domain-not-qualified": refusal(554, "5.1.2", "The recipient's domain is not fully qualified", {
    meaning: "A client submitted mail to a domain with a single label, and this server does not complete domain names.",
    next: "Use the full address.",
  }),
  "route-in-local-part": refusal(550, "5.7.1", "Addresses with a route in the local part are not accepted", {
    meaning: "The name has an `@`, `%` or `!`, which the server behind this one may read as a route to somewhere else.",
    next: "Use the address of the final recipient.",
  }),
  blocklisted: refusal(554, "5.7.1", "Refused because of entries in DNS lists: {entries}", {
    meaning:
      "The client's address, or the domain of the reverse-path, has entries in DNS lists whose scores reach the limit.",
    next: "The sender asks the lists that the reply names to remove the entry. Mail to postmaster is still accepted. Raise the limit, or remove a list that is often wrong.",
    setting: "blocklists.refuse_at",
  }),
  greylisted: refusal(451, "4.7.1", "Greylisted because of {because}; try again in {seconds} seconds", {
    meaning:
      "The client looks suspicious, and the server does not know the sender yet. Real mail servers try again, and the server then remembers them.",
    next: "Nothing: the client tries again. `greylisting.enabled` turns this off.",
    setting: "greylisting.enabled",
  }),
  "domain-accepts-no-mail": refusal(556, "5.1.10", "The domain of the recipient accepts no mail", {
    meaning: "The domain is local, and its `[[domain]]` says that it receives no mail (RFC 7504, RFC 7505).",
    next: "Correct the address. If the domain should receive mail, set its `recipients`.",
  }),
  "unknown-recipient": refusal(550, "5.1.1", "No such user here[: {address}]", {
    meaning: "The domain is local, and it has no such user, alias or catch-all.",
    next: "Correct the address, or add the user or the alias.",
  }),
  "alias-loop": refusal(451, "4.3.5", "The alias is misconfigured, try again later", {
    meaning: "The alias expands only to itself.",
    next: "Correct `to` of the alias and reload. Meanwhile, clients try again.",
  }),
  "alias-too-large": refusal(451, "4.3.5", "The alias is misconfigured, try again later", {
    meaning: "The alias expands to more recipients than the limit for one alias allows.",
    next: "Split the alias and reload. Meanwhile, clients try again.",
  }),
  "alias-without-target": refusal(451, "4.3.5", "The alias is misconfigured, try again later", {
    meaning: "The alias has no recipients.",
    next: "Correct `to` of the alias and reload. Meanwhile, clients try again.",
  }),
  "forwarding-address-forged": refusal(
    550,
    "5.1.1",
    "No such forwarding address: this server did not create it, or it has expired",
    {
      meaning:
        "The recipient looks like a reverse-path that this server rewrote (SRS), but none of its keys signed it.",
      next: "Usually nothing: it is spam. After a restore from an old backup, newer keys may be missing.",
    },
  ),
  "forwarding-address-expired": refusal(550, "5.1.1", "This forwarding address has expired", {
    meaning: "The recipient is a reverse-path that this server rewrote (SRS) more than three weeks ago.",
    next: "Write to the sender of the original message.",
  }),
  "too-many-expanded-recipients": refusal(
    452,
    "4.5.3",
    "These aliases expand to too many recipients; send the others in another message",
    {
      meaning: "After aliases were expanded, the message has more recipients than the limit for one message allows.",
      next: "The client sends the others in another message.",
    },
  ),
};

const content = {
  "no-space": refusal(452, "4.3.1", "Insufficient disk space, try again later", {
    meaning: "The disk with `data_dir` has too little space for the message and the reserve that must stay free.",
    next: "Free some disk space. Meanwhile, clients try again.",
    setting: "limits.free_space",
  }),
  "memory-short": refusal(452, "4.3.2", "The server is too busy to accept this message, try again later", {
    meaning: "All sessions together have reached their memory limit, and this session uses the most.",
    next: "The client tries again. Raise the limit if the machine has the memory.",
    setting: "limits.session_memory",
  }),
  "spool-failed": refusal(451, "4.3.0", "The message could not be stored, try again later", {
    meaning: "The spool did not store the message. The log has the cause.",
    next: "The client tries again; see the log event for what failed.",
  }),
  "header-too-large": refusal(552, "5.3.4", "The message header is too large[: {place}]", {
    meaning: "The header section is larger than the limit allows.",
    next: "Shorten the header, or raise the limit.",
    setting: "limits.header_size",
  }),
  "header-begins-with-white-space": refusal(554, "5.6.0", "{fault}[: {place}]", {
    meaning: "The first line begins with white space, so programs disagree on where the header begins.",
    next: "Correct the program that created the message.",
  }),
  "header-stray-octets": refusal(554, "5.6.0", "{fault}[: {place}]", {
    meaning: "The header contains octets that programs interpret differently, which could hide a field from some.",
    next: "Correct the program that created the message.",
  }),
  "bad-from-field": refusal(554, "5.6.0", "{fault}", {
    meaning: "A submitted message has no From field, several From fields, or one that cannot be parsed.",
    next: "Correct the program that created the message.",
  }),
  "bad-sender-field": refusal(554, "5.6.0", "{fault}", {
    meaning: "A submitted message has several Sender fields, or one that cannot be parsed.",
    next: "Correct the program that created the message.",
  }),
  "author-not-of-login": refusal(550, "5.7.1", "You may not send as {whom}", {
    meaning: "From or Sender contains an address that does not belong to the logged-in user.",
    next: "Send from an address of the user, or add an alias that forwards to the user.",
  }),
};

const loops = {
  "too-many-hops": refusal(554, "5.4.6", "Mail loop: the message has passed through {servers} servers", {
    meaning: "The message has more Received fields than `queue.hop_limit` allows, which usually means a mail loop.",
    next: "Find the alias or route that sends the mail back. If the path really is that long, raise the limit.",
    setting: "queue.hop_limit",
  }),
  "delivered-before": refusal(
    554,
    "5.4.6",
    "Mail loop: Delivered-To shows that {address} has already received this message",
    {
      meaning:
        "Delivered-To already lists every local mailbox that the message is for, so it has been delivered there before.",
      next: "Find what forwards mail from the mailbox to itself.",
    },
  ),
  "own-loop": refusal(554, "5.4.6", "Mail loop: the message has passed through this server several times", {
    meaning: "The message has passed through this server several times, and its reverse-path may be forged.",
    next: "Find the alias or route that sends the mail back.",
  }),
};

const authentication = {
  "spf-fail": refusal(550, "5.7.23", "SPF: {client} may not send for {domain}[; {domain} explains: {explanation}]", {
    meaning: "The SPF record of the reverse-path's domain does not name the client.",
    next: "The domain's owner must add the client to the record, or the sender must use the domain's own server.",
    setting: "authentication.spf_fail",
  }),
  "spf-permerror": refusal(550, "5.7.24", "SPF: the record of {domain} is invalid: {fault}", {
    meaning: "The SPF record of the reverse-path's domain is invalid.",
    next: "The domain's owner corrects the record.",
    setting: "authentication.spf_fail",
  }),
  "spf-temperror": refusal(
    451,
    "4.4.3",
    "Temporary DNS failure: cannot read the SPF record of {domain}; try again later",
    {
      meaning: "The DNS lookup of the SPF record of the reverse-path's domain failed temporarily.",
      next: "The client tries again.",
      setting: "authentication.spf_fail",
    },
  ),
  "dmarc-fail": refusal(550, "5.7.1", "Mail from {author} fails DMARC ({policy}): {failures}", {
    meaning:
      "Neither SPF nor DKIM shows that the author's domain sent this, and its policy or a local rule refuses it.",
    next: "The sender uses the domain's own server. [Overrides](sender-authentication.md#overrides) let such mail in.",
  }),
  "dmarc-temperror": refusal(
    451,
    "4.7.1",
    "Temporary DNS failure: cannot verify that {author} sent this; try again later",
    {
      meaning: "A DNS lookup failed temporarily, and its result could decide what happens to the message.",
      next: "The client tries again.",
      setting: "dmarc.temporary_failure",
    },
  ),
  "unreadable-author": refusal(550, "5.7.1", "The From field does not identify a single domain: {fault}", {
    meaning: "From is missing, cannot be parsed, or contains several domains.",
    next: "The sender must correct the program that created the message.",
    setting: "dmarc.unreadable_author",
  }),
};

const forwarding = {
  "forwarded-author-forged": refusal(
    550,
    "5.7.1",
    "This server hosts the author's domain and does not forward mail that fails its DMARC policy",
    {
      meaning:
        "The message claims a local domain as its author but fails its DMARC policy, and forwarding would make it look genuine.",
      next: "The sender uses the domain's own server.",
      setting: "forwarding.domain",
    },
  ),
  "forwarded-author-unknown": refusal(
    451,
    "4.7.1",
    "Temporary DNS failure: cannot check whether this message may be forwarded; try again later",
    {
      meaning: "A DNS lookup failed, so it is unclear whether the author's domain belongs to a local one.",
      next: "The client tries again.",
      setting: "forwarding.domain",
    },
  ),
  "forwarded-author-unchecked": refusal(
    550,
    "5.7.1",
    "Mail from a local domain is forwarded only if its sender has been verified",
    {
      meaning: "The message claims a local author and would be forwarded, but the server does not check senders.",
      next: "Check senders, or have the sender log in.",
      setting: "authentication.check",
    },
  ),
  "forwarded-author-unreadable": refusal(
    550,
    "5.7.1",
    "The author of this message is unclear, so it is not forwarded: {fault}",
    {
      meaning: "Readers of the From field could believe that the message comes from a local domain.",
      next: "The sender must correct the program that created the message.",
      setting: "forwarding.domain",
    },
  ),
} as const;

const tests = {
  "refused-by-test": refusal(550, "5.7.1", "{reply}", {
    meaning: "A test told its test server to refuse with this reply. No other server does that.",
    next: "See the option `refusals` of `startTestServer`.",
  }),
} as const;

/** By the step of the conversation, as the documentation has them. */
export const refusalSubjects = {
  Connections: connections,
  Senders: senders,
  Recipients: recipients,
  Content: content,
  Loops: loops,
  "Sender authentication": authentication,
  Forwarding: forwarding,
  Tests: tests,
} as const satisfies Readonly<Record<string, Readonly<Record<string, DeclaredRefusal>>>>;

const declared = {
  ...connections,
  ...senders,
  ...recipients,
  ...content,
  ...loops,
  ...authentication,
  ...forwarding,
  ...tests,
} as const;

export const refusals: Readonly<Record<RefusalReason, DeclaredRefusal>> = declared;

export type RefusalReason = keyof typeof declared;

/** What the words of a refusal are made with. */
export type InputsOf<Reason extends RefusalReason> = {
  readonly [Name in NamesIn<(typeof declared)[Reason]["text"]>]: string | number;
};
