/**
 * STARTTLS with a mail host, to see its certificate: connect, greeting, EHLO, STARTTLS, QUIT. No transaction begins. Times are
 * short because somebody waits for the answer.
 */
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network, TlsFacts } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { HandshakeDemand } from "../ports/tls-demand.ts";
import { failureText } from "../smtp/client/failure.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import { openSession, type SessionTrouble } from "./open-session.ts";
import { SmtpClientConnection } from "./smtp-client-connection.ts";

const smtpPort = 25;
/** For each step; greetings are kept back for some seconds by many servers. */
const stepMs = 15_000;

export interface HandshakeProbeParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly heloName: string;
  readonly signal: AbortSignal;
}

export type ProbedHandshake =
  | { readonly kind: "established"; readonly facts: TlsFacts }
  /** The handshake failed, or did not give what was demanded. */
  | { readonly kind: "unmet"; readonly reason: string }
  /** It did not come to a handshake: nobody listens, or TLS is not offered. */
  | { readonly kind: "no-handshake"; readonly reason: string };

/** @param host sent as SNI. @param address an IP address. Rejects only because of a bug. */
export async function probeHandshake(
  host: string,
  address: string,
  demand: HandshakeDemand,
  { network, clock, random, heloName, signal }: HandshakeProbeParts,
): Promise<ProbedHandshake> {
  const endpoint = { kind: "ip", address, port: smtpPort } as const;
  const options = {
    ...{ network, clock, heloName, signal },
    dialect: "smtp",
    timeouts: { ...standardTimeouts, greetingMs: stepMs, helloMs: stepMs, startTlsMs: stepMs },
    connectTimeoutMs: stepMs,
    tlsTimeoutMs: stepMs,
  } as const;
  let connection: SmtpClientConnection;
  try {
    connection = await SmtpClientConnection.connect(endpoint, options);
  } catch (error) {
    return { kind: "no-handshake", reason: errorText(error) };
  }
  const giveUp = (): void => connection.destroy();
  signal.addEventListener("abort", giveUp);
  try {
    const startTls = { serverName: host, demand };
    const trouble = await openSession(connection, { endpoint, startTls, credentials: undefined, random, signal });
    const facts = connection.tls;
    await connection.quit();
    if (facts !== undefined) return { kind: "established", facts };
    return trouble === undefined ? { kind: "no-handshake", reason: "there was no TLS" } : resultOf(trouble);
  } finally {
    signal.removeEventListener("abort", giveUp);
    connection.destroy();
  }
}

function resultOf(trouble: SessionTrouble): ProbedHandshake {
  switch (trouble.kind) {
    case "failed": {
      const reason = failureText(trouble.failure);
      return trouble.step === "handshake" ? { kind: "unmet", reason } : { kind: "no-handshake", reason };
    }
    case "tls-not-offered":
      return { kind: "no-handshake", reason: "it does not offer STARTTLS" };
    case "tls-refused":
      return { kind: "no-handshake", reason: `STARTTLS was answered ${trouble.reply.code}` };
    case "password-withheld":
    case "no-mechanism":
    case "login-refused":
      return { kind: "no-handshake", reason: "it asked for a login" };
    default:
      return trouble satisfies never;
  }
}
