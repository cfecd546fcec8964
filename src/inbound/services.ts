/** What all sessions of a server share: ports, the parts they talk to, and the settings in force. */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import type { Forwarding } from "../forwarding/forwarding.ts";
import type { Intake } from "../intake/intake.ts";
import type { IpNetworkList } from "../lib/ip-network.ts";
import type { SharedBudget } from "../lib/shared-budget.ts";
import type { Admission } from "../policy/admission.ts";
import type { PolicyChain } from "../policy/policy-chain.ts";
import type { LimitsSettings } from "../policy/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, TlsServerOptions } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { QueueIds } from "../spool/queue-id.ts";

/** Plain values; a reload replaces the whole, for sessions that begin after it. */
export interface InboundSettings {
  /** A-labels. */
  readonly hostname: string;
  readonly limits: LimitsSettings;
  readonly relayNetworks: IpNetworkList;
  /** SHA-256 of keys whose holders may relay, in hex. */
  readonly relayKeys: readonly string[];
  /** SASL mechanisms that may be offered; upper case. */
  readonly mechanisms: readonly string[];
}

export interface InboundServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly network: Network;
  /** For the nonces of sign-ins. */
  readonly random: Random;
  /** For the names of sessions. */
  readonly ids: QueueIds;
  readonly intake: Pick<Intake, "begin">;
  readonly accounts: AccountDirectory;
  /** Absent: no listener offers TLS. */
  readonly certificates?: TlsServerOptions;
  /** Absent: no address is one that we rewrote. */
  readonly forwarding?: Pick<Forwarding, "reverse">;
  /** Of all sessions: `limits.session_memory`. */
  readonly memory: SharedBudget;
  readonly admission: Pick<Admission, "serve" | "enter" | "note" | "refusalOfBan" | "noteConduct">;
  /** Decides what is taken, and logs what is not. */
  readonly policy: PolicyChain;
}
