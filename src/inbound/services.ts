/** What all sessions of a server share: ports, the parts they talk to, and the settings in force. */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import type { Forwarding } from "../forwarding/forwarding.ts";
import type { IpNetworkList } from "../lib/ip-network.ts";
import type { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import type { SharedBudget } from "../lib/shared-budget.ts";
import type { ConnectionLimits } from "../policy/connection-limits.ts";
import type { FreeSpace } from "../policy/free-space.ts";
import type { MessageRate } from "../policy/message-rate.ts";
import type { LimitsSettings } from "../policy/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, TlsServerOptions } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { Captures } from "../route/captured-recipients.ts";
import type { EvaluationRecorder } from "../reporting/dmarc-aggregate/evaluation-note.ts";
import type { Reporter } from "../reporting/reporter.ts";
import type { MessageSigning } from "../signing/message-signing.ts";
import type { QueueIds } from "../spool/queue-id.ts";
import type { ClaimedMessage, ClaimTerms, Spool } from "../spool/spool.ts";

/** What becomes of accepted mail; the queue. */
export interface AcceptedMail {
  /** Asked just before a commit; `undefined`: only schedule the message. */
  claimTermsForFresh(domains?: readonly string[]): ClaimTerms | undefined;
  /** To be called after each commit, with the mail that came back claimed from it; `undefined`: it is only scheduled. */
  accepted(claimed: ClaimedMessage | undefined): void;
}

/** Plain values; a reload replaces the whole, for sessions that begin after it. */
export interface InboundSettings {
  /** A-labels. */
  readonly hostname: string;
  readonly limits: LimitsSettings;
  readonly relayNetworks: IpNetworkList;
  /** Received fields with which a message counts as looping. */
  readonly hopLimit: number;
}

export interface InboundServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly network: Network;
  readonly spool: Pick<Spool, "begin">;
  readonly ids: QueueIds;
  readonly accounts: AccountDirectory;
  readonly queue: AcceptedMail;
  /** Whether mail for the recipient ends in a Maildir of ours. Absent: nobody knows. */
  readonly hasMailboxHere?: (recipient: { readonly address: string; readonly domain: string }) => boolean;
  /** Absent: nothing is captured. */
  readonly captures?: Captures;
  readonly reporter: Pick<Reporter, "expandedReport">;
  /** Absent: no listener offers TLS. */
  readonly certificates?: TlsServerOptions;
  /** Absent: nobody asks who sent a message, and forged results stay. */
  readonly authentication?: SenderAuthentication;
  /** Is told of each message whose sender was checked and that was not put off. */
  readonly evaluations?: EvaluationRecorder;
  /** Absent: our own mail is not signed. */
  readonly signing?: MessageSigning;
  /** Absent: what our addresses lead elsewhere leaves as it came. */
  readonly forwarding?: Forwarding;
  /** Of all sessions: `limits.session_memory`. */
  readonly memory: SharedBudget;
  readonly connectionLimits: ConnectionLimits;
  readonly messageRate: MessageRate;
  readonly freeSpace: Pick<FreeSpace, "check" | "reconfigure">;
}
