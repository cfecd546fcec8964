/**
 * One session of `posthaste send`: connect, TLS as asked, log in, and then messages one after the other. What goes wrong
 * is a value with a sentence and an exit code; nothing expected is thrown.
 */
import { openSession, type SessionTrouble } from "../../outbound/open-session.ts";
import { SmtpClientConnection, type DialogueLine } from "../../outbound/smtp-client-connection.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import { NetworkError, type TlsClientOptions, type TlsFacts } from "../../ports/network.ts";
import type { HandshakeDemand } from "../../ports/tls-demand.ts";
import type { ClientFailure } from "../../smtp/client/failure.ts";
import { standardTimeouts } from "../../smtp/client/timeouts.ts";
import type { RecipientResult } from "../../smtp/client/recipient-results.ts";
import { replyText, type ReceivedReply } from "../../smtp/reply-reader.ts";
import type { CliContext } from "../context.ts";
import { ExitCode } from "../exit-code.ts";
import type { OutgoingContent } from "./outgoing-content.ts";
import { withCertificateWords } from "../../lib/certificate-words.ts";
import { probeServer } from "./probe-server.ts";
import type { SendPlan, SendTarget } from "./send-plan.ts";

export interface SendTrouble {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly hint?: string;
}

export interface SendWatch {
  readonly dialogue?: (line: DialogueLine) => void;
  readonly connected?: (endpoint: Endpoint) => void;
  readonly tls?: (facts: TlsFacts) => void;
}

export type OpenedSession =
  | { readonly kind: "open"; readonly session: SendSession }
  | { readonly kind: "trouble"; readonly trouble: SendTrouble };

export interface SendSession extends AsyncDisposable {
  readonly usable: boolean;
  send(content: OutgoingContent): Promise<readonly RecipientResult[]>;
  quit(): Promise<void>;
}

export async function openSendSession(
  target: SendTarget,
  plan: SendPlan,
  context: CliContext,
  watch: SendWatch = {},
): Promise<OpenedSession> {
  const { clock, network, interrupted } = context;
  const tlsOptions: TlsClientOptions = {
    serverName: target.name,
    demand: handshakeDemand(plan, target),
    ...(plan.certificateAuthorities.length > 0 && { certificateAuthorities: plan.certificateAuthorities }),
  };
  const implicit = plan.tls === "implicit" || (plan.tls === "verified" && portOf(target.endpoint) === 465);
  let connection: SmtpClientConnection;
  try {
    connection = await SmtpClientConnection.connect(target.endpoint, {
      network,
      clock,
      dialect: plan.lmtp ? "lmtp" : "smtp",
      heloName: plan.heloName,
      timeouts: timeoutsOf(plan.timeoutMs),
      connectTimeoutMs: plan.timeoutMs,
      tlsTimeoutMs: plan.timeoutMs,
      signal: interrupted,
      ...(implicit && { implicitTls: tlsOptions }),
      ...(watch.dialogue && { onDialogue: watch.dialogue }),
    });
  } catch (error) {
    if (interrupted.aborted) return { kind: "trouble", trouble: stoppedByUser };
    if (!(error instanceof NetworkError)) throw error;
    return { kind: "trouble", trouble: await connectTrouble(error, target, implicit, context) };
  }
  // Ctrl-C ends a wait for a reply, too.
  const stop = () => connection.destroy();
  interrupted.addEventListener("abort", stop);
  const ended = () => interrupted.removeEventListener("abort", stop);
  watch.connected?.(connection.remote);
  if (connection.tls) watch.tls?.(connection.tls);
  const trouble = await prepare(connection, { target, plan, context, watch, tlsOptions, implicit });
  if (trouble) {
    if (connection.usable) await connection.quit();
    connection.destroy();
    ended();
    return { kind: "trouble", trouble };
  }
  return { kind: "open", session: sessionOver(connection, plan, ended) };
}

function handshakeDemand({ tls }: SendPlan, { name }: SendTarget): HandshakeDemand {
  if (tls === "verified") return { kind: "pki", names: [name] };
  return { kind: tls === "opportunistic" ? "opportunistic" : "required" };
}

const stoppedByUser: SendTrouble = { exitCode: ExitCode.tryLater, message: "interrupted" };

interface Preparation {
  readonly target: SendTarget;
  readonly plan: SendPlan;
  readonly context: CliContext;
  readonly watch: SendWatch;
  readonly tlsOptions: TlsClientOptions;
  readonly implicit: boolean;
}

/** Greeting to login, by the rules of delivery. */
async function prepare(connection: SmtpClientConnection, preparation: Preparation): Promise<SendTrouble | undefined> {
  const { plan, context, target, implicit, tlsOptions, watch } = preparation;
  const silence = implicit ? undefined : watchSilence(connection, target, context);
  const trouble = await openSession(connection, {
    endpoint: target.endpoint,
    startTls: plan.tls === "none" ? undefined : tlsOptions,
    credentials: plan.credentials,
    random: context.random,
    signal: context.interrupted,
    onGreeting: () => silence?.stop(),
    onTls: watch.tls,
  });
  if (trouble?.kind === "failed" && trouble.step === "greeting" && !implicit) {
    const speaksTls = silence?.speaksTls() ?? (await probeServer(target, context)) === "tls";
    if (speaksTls) return tlsFirst(target);
  }
  return trouble && sendTroubleOf(trouble, plan);
}

function sendTroubleOf(trouble: SessionTrouble, plan: SendPlan): SendTrouble {
  switch (trouble.kind) {
    case "failed": {
      const hint = trouble.step === "handshake" ? handshakeHint(plan) : undefined;
      return { ...troubleOf(trouble.failure), ...(hint !== undefined && { hint }) };
    }
    case "tls-not-offered": {
      const message = "the server does not offer STARTTLS";
      const hint = plan.credentials ? {} : { hint: "Use --tls none to send without TLS." };
      return { exitCode: ExitCode.unavailable, message, ...hint };
    }
    case "tls-refused":
      return { exitCode: exitCodeOf(trouble.reply), message: `STARTTLS was refused: ${replyText(trouble.reply)}` };
    case "password-withheld":
      return withheld(trouble.facts);
    case "no-mechanism": {
      const message = "the server offers no AUTH mechanism that this client supports (SCRAM, PLAIN, LOGIN)";
      return { exitCode: ExitCode.noPermission, message };
    }
    case "login-refused": {
      const message = `the login was refused: ${replyText(trouble.reply)}`;
      return { exitCode: ExitCode.noPermission, message };
    }
    default:
      return trouble satisfies never;
  }
}

/** Less TLS is no advice to someone who logs in: the password would not be sent. */
function handshakeHint({ tls, credentials }: SendPlan): string | undefined {
  if (tls === "verified") {
    const trust = "Use --ca FILE to trust a certificate";
    return credentials ? `${trust}.` : `${trust}, or --tls starttls to continue without verification.`;
  }
  return tls === "opportunistic" && !credentials ? "Use --tls none to send without TLS." : undefined;
}

function withheld(facts: TlsFacts | undefined): SendTrouble {
  if (facts === undefined) {
    const message = "the password was not sent: the connection does not use TLS";
    return { exitCode: ExitCode.noPermission, message, hint: "Use --tls verified." };
  }
  const why = withCertificateWords(facts.verifyError ?? "no reason given");
  const message = `the password was not sent: the certificate could not be verified: ${why}`;
  return { exitCode: ExitCode.noPermission, message, hint: "Use --ca FILE to trust a certificate." };
}

function sessionOver(connection: SmtpClientConnection, plan: SendPlan, ended: () => void): SendSession {
  return {
    get usable() {
      return connection.usable;
    },
    send: ({ bytes, eightBit }) =>
      connection.transact({
        envelope: {
          reversePath: plan.from,
          recipients: plan.to.map((address) => ({ address })),
          body: eightBit ? "8BITMIME" : "7BIT",
          smtpUtf8: plan.smtpUtf8,
          size: bytes.length,
        },
        content: { kind: "whole", parts: [bytes] },
      }),
    quit: async () => {
      await connection.quit();
      ended();
    },
    [Symbol.asyncDispose]: async () => {
      ended();
      await connection[Symbol.asyncDispose]();
    },
  };
}

/** A server that waits for a TLS handshake says nothing; after this long it is worth a look. */
const silenceMs = 3000;

/** Finds out during a long silence whether the port speaks TLS from the first octet, and then ends the wait. */
function watchSilence(connection: SmtpClientConnection, target: SendTarget, context: CliContext) {
  let found = false;
  let waiting = true;
  const timer = context.clock.setTimer(silenceMs, () => {
    probeServer(target, context).then(
      (answer) => {
        if (answer !== "tls" || !waiting) return;
        found = true;
        connection.abandon({ kind: "protocol-error", command: "greeting", detail: "the port speaks TLS" });
      },
      () => undefined,
    );
  });
  return {
    stop: () => {
      waiting = false;
      timer.cancel();
    },
    speaksTls: () => found || undefined,
  };
}

async function connectTrouble(
  error: NetworkError,
  target: SendTarget,
  implicit: boolean,
  context: CliContext,
): Promise<SendTrouble> {
  const place = placeOf(target.endpoint);
  if (error.code === "ETLS" || implicit) {
    if (error.code !== "ECONNREFUSED" && (await probeServer(target, context)) === "clear") {
      const message = `${place} does not start with TLS`;
      return { exitCode: ExitCode.unavailable, message, hint: "Use --tls starttls (or opportunistic)." };
    }
    if (error.code === "ETLS") {
      return {
        exitCode: ExitCode.unavailable,
        message: `the TLS handshake with ${place} failed: ${withCertificateWords(error.message)}`,
      };
    }
  }
  const why = error.code === "ECONNREFUSED" ? "no program listens on this port (ECONNREFUSED)" : error.message;
  return { exitCode: ExitCode.unavailable, message: `${place} cannot be reached: ${why}` };
}

function tlsFirst({ endpoint }: SendTarget): SendTrouble {
  const place = endpoint.kind === "ip" ? `port ${endpoint.port}` : endpoint.path;
  const message = `${place} starts with TLS`;
  return { exitCode: ExitCode.unavailable, message, hint: "Use --tls implicit." };
}

export function troubleOf(failure: ClientFailure): SendTrouble {
  if (failure.kind === "refused") {
    return {
      exitCode: exitCodeOf(failure.reply),
      message: `${failure.command} was refused: ${replyText(failure.reply)}`,
    };
  }
  const exitCode = failure.kind === "bare-line-end" ? ExitCode.data : ExitCode.unavailable;
  return { exitCode, message: withCertificateWords(failure.detail) };
}

export function exitCodeOf(reply: ReceivedReply): ExitCode {
  if (reply.code >= 500) return reply.code === 530 || reply.code === 535 ? ExitCode.noPermission : ExitCode.data;
  return reply.code >= 400 ? ExitCode.tryLater : ExitCode.unavailable;
}

/** `192.0.2.1:25`, `[::1]:25`, or a path. */
export function placeOf(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return endpoint.path;
  return endpoint.address.includes(":")
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`;
}

function portOf(endpoint: Endpoint): number | undefined {
  return endpoint.kind === "ip" ? endpoint.port : undefined;
}

/** Someone waits at a terminal, so one time for every step; the end of data keeps its ten minutes' worth of patience. */
function timeoutsOf(ms: number): typeof standardTimeouts {
  return {
    ...standardTimeouts,
    greetingMs: ms,
    helloMs: ms,
    startTlsMs: ms,
    authenticationMs: ms,
    mailMs: ms,
    recipientMs: ms,
    dataInitiationMs: ms,
    dataBlockMs: ms,
    dataTerminationMs: Math.max(ms, 60_000),
  };
}
