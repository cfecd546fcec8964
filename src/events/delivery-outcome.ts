/** What one attempt did to one recipient. Class and status are one typed value; nothing expected is thrown. */
import type { FaultOwner, ReportedDiagnostic } from "../dsn/report.ts";
import type { Instant } from "../lib/instant.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";

/** As a report tells it, and what only we need to know. */
export interface Diagnostic extends ReportedDiagnostic {
  readonly code?: number;
  /** TLS as used, "TLSv1.3 TLS_AES_256_GCM_SHA384 verified", or absent in clear. */
  readonly tls?: string;
  /** What TLS had to give and who asked for it, "verified (route.auth)"; absent: nothing was asked for, or nobody contacted. */
  readonly tlsDemand?: string;
}

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
