/** The `[[listener]]` sections: where clients connect, and what they may do there. */
import { z } from "zod";
import { authoritiesFile, duration, listenAddress, networkList } from "../lib/setting-types.ts";

const proxySettings = z
  .strictObject({
    from: networkList()
      .refine(({ texts }) => texts.length > 0, "list the addresses of your proxies")
      .describe(
        "Addresses of the proxies. Each of their connections must begin with a PROXY header, version 1 or 2; a connection without one is closed. The header's client address then counts as the client's, for limits, relaying and sender checks. LOCAL (a health check) means the proxy itself. A reload does not change it.",
      ),
    required: z
      .boolean()
      .default(true)
      .describe(
        "What the server does with connections from other addresses: close them, or (false) serve them under their own addresses, without reading a header. A reload does not change it.",
      ),
  })
  .describe(
    "Proxies and load balancers in front of this listener that tell the client's address by the PROXY protocol. On submissions the header stands before the TLS handshake.",
  );

const xclientSettings = z
  .strictObject({
    from: networkList()
      .refine(({ texts }) => texts.length > 0, "list the addresses of your proxies")
      .describe(
        "Addresses of the proxies. They may say XCLIENT ADDR=…; the address then counts as the client's, for limits, relaying and sender checks, and the session begins again with a greeting. Others get 550. A reload does not change it.",
      ),
  })
  .describe(
    "Proxies in front of this listener that speak SMTP and tell the client's address by XCLIENT (nginx, Postfix's content filters).",
  );

export const listenerSettings = z
  .strictObject({
    kind: z
      .enum(["mx", "submission", "submissions", "lmtp"])
      .describe(
        "Whose mail this listener accepts: `mx` accepts mail from other servers; `submission` (STARTTLS) and `submissions` (TLS from the start) accept users' mail after a login; `lmtp` accepts mail for local recipients. A reload does not change it.",
      ),
    listen: listenAddress()
      .optional()
      .describe(
        'Address and port, or "unix:/path". Default by kind: [::]:25, [::]:587, [::]:465; lmtp has no default. A reload does not change it.',
      ),
    bare_line_ends: z
      .enum(["refuse", "repair"])
      .optional()
      .describe(
        "What the server does with content that has a bare LF or CR, in DATA or BDAT: refuse it with 550 5.5.2, or repair it to CRLF. Only CRLF.CRLF ends the content of DATA, and a bare CR in the header section is always refused. Default by kind: repair for submission and submissions, whose clients often send LF; refuse for mx and lmtp. A reload does not change it.",
      ),
    early_talk: z
      .enum(["allow", "refuse"])
      .default("allow")
      .describe(
        "What the server does with clients that do not wait for a reply that they must wait for (the greeting, or the reply to EHLO, DATA or STARTTLS): serve them, or refuse them with 554 5.5.0 as likely spamming programs. A reload does not change it.",
      ),
    proxy: proxySettings.optional(),
    xclient: xclientSettings.optional(),
    greeting_delay: duration({ minMs: 0, maxMs: 60_000 })
      .prefault("0s")
      .describe(
        'How long the server keeps back its greeting. Together with early_talk = "refuse", a client that sends before the greeting gets 554; good senders wait up to five minutes (RFC 5321 §4.5.3.2.1). Loopback and relay.networks do not wait. A reload does not change it.',
      ),
    accepts_mail: z
      .boolean()
      .default(true)
      .describe(
        "For mx listeners. false: every client hears 521 instead of the greeting, for a host that receives no mail (RFC 7504). A reload does not change it.",
      ),
    client_certificates: z
      .boolean()
      .default(false)
      .describe(
        "For submission and submissions: whether the server asks clients for a TLS certificate in the handshake. A client whose key `posthaste user key` has registered may then sign in by SASL EXTERNAL; it may as well show none and use a password. A reload does not change it. (RFC 4422, appendix A)",
      ),
    client_ca: authoritiesFile()
      .optional()
      .describe(
        "For submission and submissions: PEM file with certificates of authorities. A client certificate from one of them signs in as the user that it names, see client_identity. Implies client_certificates. Some mail programs then show only certificates of these authorities, so use another listener for registered keys. A reload does not change it.",
      ),
    client_identity: z
      .enum(["email", "common-name"])
      .default("email")
      .describe(
        "How a certificate of client_ca names its user: by an e-mail address in subjectAltName (rfc822Name), or by the common name of the subject, which must be the user's address. Of several users, the client chooses one by its authorization id. A reload does not change it.",
      ),
    session_tickets: z
      .boolean()
      .default(true)
      .describe(
        "Whether clients may resume a TLS session, which saves both sides the costly part of the handshake. The keys of tickets are only in memory. A listener that asks for client certificates never resumes one. A reload does not change it. (RFC 8446 §2.2, RFC 5077)",
      ),
  })
  .describe("An address on which the server accepts connections from clients.");

export type ListenerSettings = z.output<typeof listenerSettings>;
