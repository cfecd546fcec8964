/** What a server asks of the machine it runs on. `main.ts` gives the real ports; tests and simulations give theirs. */
import type { PasswordSource } from "../../accounts/password-source.ts";
import type { RunHook, ServeAlpn } from "../../acme/provers.ts";
import type { MessageReading } from "../../admin/message-reading.ts";
import type { MaildirStore } from "../../outbound/maildir-store.ts";
import type { Program } from "../../outbound/program-delivery.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Crypto } from "../../ports/crypto.ts";
import type { Files } from "../../ports/files.ts";
import type { ServeHttp, ServePolicies } from "../../ports/http-server.ts";
import type { HostMeasures } from "../../ports/host-measures.ts";
import type { HttpClient } from "../../ports/http-client.ts";
import type { Log } from "../../ports/log.ts";
import type { ServiceClient } from "../../ports/service-client.ts";
import type { Network } from "../../ports/network.ts";
import type { PolicyFetcher } from "../../ports/policy-fetcher.ts";
import type { Random } from "../../ports/random.ts";
import type { ReportPoster } from "../../ports/report-poster.ts";
import type { Resolver } from "../../ports/resolver.ts";
import type { ReportWork } from "../../reporting/report-work.ts";
import type { Stage } from "../../policy/stage.ts";
import type { Spool } from "../../spool/spool.ts";

export interface ServerPorts {
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly network: Network;
  readonly files: Files;
  readonly resolver: Resolver;
  /** HTTPS for policies of other domains; absent: there is none, so MTA-STS does not apply. */
  readonly policyFetcher?: PolicyFetcher;
  /** HTTPS for reports to other domains; absent: they go by mail only. */
  readonly reportPoster?: ReportPoster;
  /** HTTPS to OAuth issuers of the configuration; absent: none can be asked. */
  readonly serviceClient?: ServiceClient;
  readonly log: Log;
  /** Absent: nobody knows how the machine is doing, and nothing counts as overload. */
  readonly measures?: HostMeasures;
  /** Files and sockets that this process may have open; absent: nobody knows. */
  readonly openFilesMax?: number;
  /** Addresses of this machine, as they are now. */
  readonly interfaceAddresses: () => readonly string[];
  /** Throws `StartError` where another server has the folder, which exists by now. */
  readonly lock: (dataDir: string) => { release(): void };
  readonly openSpool: (dataDir: string) => Promise<Spool>;
  /** Reads and makes reports, best in a thread of its own: absent, this one does, and stands still meanwhile. */
  readonly reportWork?: ReportWork;
  /** Writes into mailboxes, which may hang: absent, `files` does, and what hangs takes its threads. */
  readonly maildirs?: MaildirStore;
  /** Takes the mail of local domains; absent: it goes into Maildirs. */
  readonly program?: Program;
  /** Knows passwords of users who are declared nowhere; absent: only we and Dovecot do. */
  readonly passwordSource?: PasswordSource;
  /** Asked before the policies that every server has, for a test that wants something refused. */
  readonly stages?: readonly Stage[];
  /** Takes captured mail apart, as `reportWork` does with reports. */
  readonly reading?: MessageReading;
  /** HTTPS for the policies of our own domains; absent: there is none. */
  readonly servePolicies?: ServePolicies;
  /** What certificates by ACME need; absent: none are asked for. */
  readonly acme?: {
    /** `authorities`: trusted for this besides the usual ones; PEM. */
    readonly http: (authorities: readonly string[]) => HttpClient;
    readonly serveAlpn: ServeAlpn;
    readonly runHook: RunHook;
  };
  readonly serveHttp: ServeHttp;
}
