/** What one attempt did to one recipient. Class and status are one typed value; nothing expected is thrown. */
import type { Instant } from "../lib/instant.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";

/** What the other side said, or what we found, for reports and for people. */
export interface Diagnostic {
  /** RFC 3464 §2.3.6: `smtp` (also for LMTP) carries a reply, `x-posthaste` our own finding. */
  readonly type: "smtp" | "x-posthaste";
  /** For `smtp`: code, status and text as received, multi-line replies joined with spaces. */
  readonly text: string;
  readonly code?: number;
  /** Which command the reply answered: "MAIL", "RCPT", "DATA", "end of data", "EHLO", … */
  readonly command?: string;
  /** Name and address of the host that was contacted, if one was. */
  readonly remoteHost?: string;
  readonly remoteAddress?: string;
  /** TLS as used, "TLSv1.3 TLS_AES_256_GCM_SHA384 verified", or absent in clear. */
  readonly tls?: string;
  /** What TLS had to give and who asked for it, "verified (route.auth)"; absent: nothing was asked for, or nobody contacted. */
  readonly tlsDemand?: string;
}

/** Who has to act. Only faults of the recipient may ever suppress an address. */
export type FaultOwner =
  "recipient" | "our-reputation" | "our-authentication" | "remote-trouble" | "content" | "policy" | "local-trouble";

export type DeliveryOutcome =
  /** In the final mailbox (Maildir, LMTP, capture, discard). */
  | { readonly kind: "delivered"; readonly status: EnhancedStatus<2>; readonly diagnostic: Diagnostic }
  /** Accepted by another SMTP server; `dsnPassedOn`: it offered DSN and got the parameters (RFC 3461 §5.2.1). */
  | {
      readonly kind: "relayed";
      readonly status: EnhancedStatus<2>;
      readonly dsnPassedOn: boolean;
      readonly diagnostic: Diagnostic;
    }
  | {
      readonly kind: "deferred";
      readonly status: EnhancedStatus<4>;
      readonly owner: FaultOwner;
      readonly reason: string;
      readonly diagnostic?: Diagnostic;
      /** true: nothing was wrong with the recipient; it just did not fit this transaction (452 after others). Retry soon. */
      readonly soon?: true;
      /** true: no attempt can mend it, a person has to look. The recipient is held. */
      readonly hold?: true;
      /** true: nobody was contacted, because the site rests or has no route just now. It does not count as an attempt. */
      readonly notTried?: true;
      /** A person ordered that nobody is contacted before this time. */
      readonly notBefore?: Instant;
    }
  | {
      readonly kind: "bounced";
      readonly status: EnhancedStatus<5>;
      readonly owner: FaultOwner;
      readonly reason: string;
      readonly diagnostic?: Diagnostic;
    };
