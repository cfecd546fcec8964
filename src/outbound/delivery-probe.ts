/**
 * What would become of a message, found by the real thing: one attempt over the whole next hop, by the code that delivers, with
 * the content withheld. So hosts are tried in the same order, by the same rules, until one decides. Every step is told as it
 * happens.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { ClockSteps } from "../lib/clock-steps.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { TlsDecision } from "../route/next-hop.ts";
import type { Content, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { SmtpHop } from "./attempt-targets.ts";
import { ConnectionReuse } from "./connection-reuse.ts";
import { setUpConnection, type SetupContext, type Target } from "./connection-setup.ts";
import { type ConnectionStep, ConnectionSteps } from "./connection-steps.ts";
import { DeliveryAttempt } from "./delivery-attempt.ts";
import type { SmtpDeliverySettings } from "./settings.ts";

export interface ProbeParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: SmtpDeliverySettings;
  readonly signal: AbortSignal;
}

export interface ProbeEnvelope {
  /** Both ready for the wire; "" is the null reverse-path. */
  readonly reversePath: string;
  readonly recipient: string;
  /** A `domainKey`. */
  readonly domain: string;
}

export interface ProbeOptions {
  /**
   * Demands that the host does not have to meet, but whose policies it publishes: its certificate is tried against each in
   * a connection of its own.
   */
  readonly alsoTry: (host: string) => readonly TlsDecision[];
  readonly tell: (step: ConnectionStep) => void;
}

/** What the probe says that its message has: a short letter. */
const letterBytes = 2_000;
const probeId = "check-delivery";

/** Never rejects for what servers do. The outcome of a recipient that was accepted is a success with the reply to RCPT. */
export async function probeDelivery(
  hop: SmtpHop,
  envelope: ProbeEnvelope,
  parts: ProbeParts,
  { alsoTry, tell }: ProbeOptions,
): Promise<DeliveryOutcome> {
  const connections: ConnectionSteps[] = [];
  const reuse = new ConnectionReuse(parts.clock);
  const context: SetupContext = {
    ...parts,
    clockSteps: new ClockSteps(parts.clock),
    settings: { ...parts.settings, keepIdleMs: 0, messagesPerConnection: 1 },
    message: probeId,
    leave: (connection) => reuse.quit({ connection }),
    // A server that hangs up on EHLO gets the mail at the second attempt, and there is none here.
    mayUseHelo: true,
    observe: (target) => {
      connections.at(-1)?.leave("the server gave no answer");
      const steps = new ConnectionSteps(target, parts.clock, tell);
      connections.push(steps);
      return steps;
    },
  };
  const job = { ...jobOf(envelope, parts.clock), hop, contentWithheld: true } as const;
  const [result] = await new DeliveryAttempt(job, hop, context, reuse).run();
  if (result === undefined) throw new Error("the recipient has no outcome");
  const { outcome } = result;
  if (outcome.kind === "deferred" || outcome.kind === "bounced") connections.at(-1)?.leave(outcome.reason);
  for (const { target } of firstOfEachHost(connections)) {
    for (const tls of alsoTry(target.host)) await tryDemand(target, tls, context);
  }
  await reuse.close();
  for (const connection of connections) connection.close();
  return outcome;
}

/** One connection to each host that spoke TLS. */
function firstOfEachHost(connections: readonly ConnectionSteps[]): readonly ConnectionSteps[] {
  const spoke = connections.filter(({ reachedTls }) => reachedTls);
  return spoke.filter(({ target }, index) => spoke.findIndex((other) => other.target.host === target.host) === index);
}

async function tryDemand(target: Target, tls: TlsDecision, context: SetupContext): Promise<void> {
  const result = await setUpConnection({ ...target, credentials: undefined, tls }, context);
  if (result.kind === "ready") context.leave(result.connection);
}

function jobOf({ reversePath, recipient, domain }: ProbeEnvelope, clock: Clock) {
  const message: StoredMessage = {
    id: probeId,
    receivedAt: clock.now(),
    reversePath,
    origin: { listener: "submission", protocol: "ESMTP" },
    body: "7BIT",
    smtpUtf8: false,
    facts: {
      receivedCount: 0,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
    },
    size: letterBytes,
    headerBlock: "",
  };
  const to: StoredRecipient = {
    message: probeId,
    index: 0,
    address: recipient,
    domain,
    state: "claimed",
    due: clock.now(),
    attempts: 1,
    warned: false,
  };
  return { message, recipients: [to], openContent: () => Promise.resolve(noContent) };
}

const noContent: Content = {
  size: letterBytes,
  chunks: () => {
    throw new Error("a probe sends no content");
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
