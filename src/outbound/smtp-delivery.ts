/**
 * Delivery to other servers over SMTP, and to mailboxes over LMTP: the agent that the queue asks. How one attempt goes
 * is in delivery-attempt.ts, how a connection is made in connection-setup.ts; this one owns what attempts share, the
 * kept connections. How many attempts run at once is the queue's decision.
 */
import { ClockSteps } from "../lib/clock-steps.ts";
import type { AccessTokenSource } from "../oauth/access-tokens.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/log.ts";
import type { MessageSigning } from "../signing/message-signing.ts";
import type { Network } from "../ports/network.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import { ConnectionReuse } from "./connection-reuse.ts";
import type { Target } from "./connection-setup.ts";
import { DeliveryAttempt } from "./delivery-attempt.ts";
import type { SmtpDeliverySettings } from "./settings.ts";
import type { SmtpClientConnection } from "./smtp-client-connection.ts";
import { tlsSessionObserver } from "./tls-session-observer.ts";
import type { TlsSessionRecorder } from "../tls-rpt/session-note.ts";

export interface SmtpDeliveryOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: SmtpDeliverySettings;
  /** Makes our signatures anew over content that is converted for a server without 8BITMIME. */
  readonly signing?: () => MessageSigning | undefined;
  /** Told of each session, for the daily reports about TLS. */
  readonly tlsSessions?: TlsSessionRecorder | undefined;
  /** For routes that log in by OAuth. */
  readonly accessTokens?: AccessTokenSource | undefined;
}

/** Serves hops of kind `smtp` and `lmtp`. */
export class SmtpDelivery implements DeliveryAgent {
  readonly #options: SmtpDeliveryOptions;
  readonly #reuse: ConnectionReuse;
  readonly #clockSteps: ClockSteps;
  #settings: SmtpDeliverySettings;

  constructor(options: SmtpDeliveryOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#clockSteps = new ClockSteps(options.clock);
    this.#reuse = new ConnectionReuse(options.clock);
  }

  /** From the next attempt on. */
  reconfigure(settings: SmtpDeliverySettings): void {
    this.#settings = settings;
  }

  async deliver(job: DeliveryJob, options: { readonly signal: AbortSignal }): Promise<DeliveryResult> {
    const { hop } = job;
    if (hop.kind !== "smtp" && hop.kind !== "lmtp") throw new Error(`hops of kind ${hop.kind} are served elsewhere`);
    const { network, clock, random, log, signing, tlsSessions, accessTokens } = this.#options;
    const domains = [...new Set(job.recipients.map(({ domain }) => domain))];
    const context = {
      ...{ network, clock, random, log, signing, accessTokens },
      clockSteps: this.#clockSteps,
      settings: this.#settings,
      signal: options.signal,
      message: job.message.id,
      mayUseHelo: job.recipients.every(({ attempts }) => attempts > 1),
      ...(tlsSessions &&
        hop.kind === "smtp" &&
        hop.isRelay !== true && { observe: (target: Target) => tlsSessionObserver(tlsSessions, target, domains) }),
      leave: (connection: SmtpClientConnection) => this.#reuse.quit({ connection }),
    };
    return { outcomes: await new DeliveryAttempt(job, hop, context, this.#reuse).run() };
  }

  /** Says QUIT on kept connections and waits for the answers, a few seconds at most. */
  close(): Promise<void> {
    return this.#reuse.close();
  }
}
