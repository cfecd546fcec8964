/** What every message that comes in is handled with: ports, the parts that are asked about it, and the settings in force. */
import type { HistoryEvent } from "../events/history-event.ts";
import type { Forwarding } from "../forwarding/forwarding.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { Admission } from "../policy/admission.ts";
import type { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import type { PolicyChain } from "../policy/policy-chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Captures } from "../route/captured-recipients.ts";
import type { MessageSigning } from "../signing/message-signing.ts";
import type { QueueIds } from "../spool/queue-id.ts";
import type { ClaimedMessage, NewMessage, Spool } from "../spool/spool.ts";
import type { ExpandedRecipient } from "./envelope.ts";
import type { EvaluationRecorder } from "./evaluation-note.ts";
import type { Letter } from "./letter.ts";

/** What becomes of accepted mail; the queue. */
export interface AcceptedMail {
  /** To be called after each commit, with the mail that came back claimed from it; `undefined`: it is only scheduled. */
  accepted(claimed: ClaimedMessage | undefined): void;
}

/** Makes the report that an alias with several targets owes its sender (RFC 3461 §5.2.7.3). */
export interface ExpandedReports {
  expandedReport(input: {
    readonly message: Omit<NewMessage, "recipients">;
    /** Of the content as it is stored. */
    readonly header: HeaderSection;
    readonly recipients: readonly ExpandedRecipient[];
  }): Promise<{ readonly letter: Letter; readonly event: HistoryEvent } | undefined>;
}

/** Plain values; a reload replaces the whole, for messages that begin after it. */
export interface IntakeSettings {
  /** A-labels. */
  readonly hostname: string;
  /** Received fields with which a message counts as looping. */
  readonly hopLimit: number;
  readonly headerBytesMax: number;
}

export interface IntakeServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly spool: Pick<Spool, "begin">;
  readonly ids: Pick<QueueIds, "next">;
  readonly policy: PolicyChain;
  readonly admission: Pick<Admission, "claimTerms">;
  readonly queue: AcceptedMail;
  readonly reporter: ExpandedReports;
  /** Absent: nothing is captured. */
  readonly captures?: Captures;
  /** Absent: nobody asks who sent a message, and forged results stay. */
  readonly authentication?: SenderAuthentication;
  /** Is told of each message whose sender was checked and that was not deferred. */
  readonly evaluations?: EvaluationRecorder;
  /** Absent: our own mail is not signed. */
  readonly signing?: MessageSigning;
  /** Absent: what our addresses forward leaves as it came. */
  readonly forwarding?: Forwarding;
}
