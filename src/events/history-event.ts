/**
 * Typed history: what happened to a message, written in the same commit as the outcome it describes. Types only.
 * `explain`, the log, the API and the console are all told from these.
 */
import type { Instant } from "../lib/instant.ts";
import type { AuthenticationNote } from "./authentication-note.ts";
import type { ContentRepair } from "./content-repair.ts";
import type { DeliveryOutcome } from "./delivery-outcome.ts";
import type { UnsealedReason } from "./unsealed-reason.ts";

interface Common {
  readonly at: Instant;
  /** Queue id. */
  readonly message: string;
}

interface OfRecipient extends Common {
  /** The recipient's index within the message. */
  readonly recipient: number;
  readonly address: string;
}

/** The facts of one attempt, told with its outcome. */
export interface AttemptFacts {
  readonly number: number;
  readonly durationMs: number;
  /** Route that was chosen and why, e.g. `mx example.org (10 mx1.example.org)` or `maildir (local domain)`. */
  readonly route: string;
  readonly outcome: DeliveryOutcome;
}

/** Why a recipient was taken. */
export interface RecordedDecision {
  readonly address: string;
  readonly reason: string;
  readonly setting?: string;
  /** The policy that decided; absent in the history of older versions. */
  readonly rule?: string;
  /** File and line of the setting, or `default`. */
  readonly settingAt?: string;
}

/** How a login came about. */
export interface SignInFacts {
  /** Name of the SASL mechanism. */
  readonly mechanism: string;
  /** The key or certificate, as in "key laptop". */
  readonly by?: string;
}

export type HistoryEvent =
  | (Common & {
      readonly kind: "message-accepted";
      readonly from: string;
      readonly recipients: readonly string[];
      readonly size: number;
      readonly client: string;
      readonly protocol: string;
      readonly login?: string;
      /** Absent without a login, and in the history of older versions. */
      readonly signedIn?: SignInFacts;
      readonly subject?: string;
      /** For reports: the message that this one reports on. */
      readonly reportOn?: string;
      /** Why each address of RCPT was taken, and which setting decided; repetitions included. */
      readonly decisions?: readonly RecordedDecision[];
      /** What was found out about the sender, where that was asked. */
      readonly authentication?: AuthenticationNote;
      /** Names of the DKIM keys that it was signed with here: `selector._domainkey.domain`. */
      /** The sender said REQUIRETLS (RFC 8689). */
      readonly requireTls?: true;
      readonly signedWith?: readonly string[];
      /** Why the forwarded copies have no ARC set of ours; absent: they have, or there are none. */
      readonly unsealed?: UnsealedReason;
      /** What was mended in the content; absent: nothing. */
      readonly repairs?: readonly ContentRepair[];
    })
  | (OfRecipient & { readonly kind: "recipient-delivered"; readonly attempt: AttemptFacts })
  | (OfRecipient & { readonly kind: "recipient-relayed"; readonly attempt: AttemptFacts })
  | (OfRecipient & { readonly kind: "recipient-deferred"; readonly attempt: AttemptFacts; readonly due: Instant })
  | (OfRecipient & { readonly kind: "recipient-failed"; readonly attempt: AttemptFacts })
  | (OfRecipient & { readonly kind: "recipient-expired"; readonly attempt: AttemptFacts })
  | (OfRecipient & { readonly kind: "recipient-held"; readonly by: string; readonly reason: string })
  | (OfRecipient & { readonly kind: "recipient-released"; readonly by: string })
  | (OfRecipient & { readonly kind: "recipient-retried"; readonly by: string })
  | (OfRecipient & { readonly kind: "recipient-removed"; readonly by: string })
  | (Common & {
      readonly kind: "report-queued";
      readonly report: string; // queue id of the report
      readonly action: "failed" | "delayed" | "relayed" | "delivered" | "expanded";
      readonly recipients: readonly string[];
    })
  | (Common & {
      readonly kind: "report-withheld";
      readonly reason: string;
      readonly recipients: readonly string[];
    });
