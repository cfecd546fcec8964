/**
 * One session of `posthaste send`: connect, TLS as asked, log in, and then messages one after the other. What goes wrong
 * is a value with a sentence and an exit code; nothing expected is thrown.
 */
import { SmtpClientConnection, type DialogueLine } from "../../outbound/smtp-client-connection.ts";
import { isLoopback } from "../../lib/ip-network.ts";
import { type Endpoint, NetworkError, type TlsClientOptions, type TlsFacts } from "../../ports/network.ts";
import type { ClientFailure } from "../../smtp/client/failure.ts";
import { STANDARD_TIMEOUTS } from "../../smtp/client/timeouts.ts";
import type { RecipientResult } from "../../smtp/client/transaction.ts";
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
  /** Something a person should know, which stops nothing. */
  readonly remark?: (text: string) => void;
}

export type OpenedSession =
  | { readonly kind: "open"; readonly session: SendSession }
  | { readonly kind: "trouble"; readonly trouble: SendTrouble };

export interface SendSession extends AsyncDisposable {
  readonly usable: boolean;
  send(content: OutgoingContent): Promise<readonly RecipientResult[]>;
  quit(): Promise<void>;
}

export async function openSession(
  target: SendTarget,
  plan: SendPlan,
  context: CliContext,
  watch: SendWatch = {},
): Promise<OpenedSession> {
  const { clock, network, interrupted } = context;
  const tlsOptions: TlsClientOptions = {
    serverName: target.name,
    requireVerified: plan.tls === "verified",
    ...(plan.certificateAuthorities.length > 0 ? { certificateAuthorities: plan.certificateAuthorities } : {}),
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
      ...(implicit ? { implicitTls: tlsOptions } : {}),
      ...(watch.dialogue ? { onDialogue: watch.dialogue } : {}),
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

const stoppedByUser: SendTrouble = { exitCode: ExitCode.tryLater, message: "interrupted" };

interface Preparation {
  readonly target: SendTarget;
  readonly plan: SendPlan;
  readonly context: CliContext;
  readonly watch: SendWatch;
  readonly tlsOptions: TlsClientOptions;
  readonly implicit: boolean;
}

/** Greeting, EHLO, STARTTLS, EHLO again, AUTH. */
async function prepare(connection: SmtpClientConnection, preparation: Preparation): Promise<SendTrouble | undefined> {
  const { plan, context, target, implicit } = preparation;
  const silence = implicit ? undefined : watchSilence(connection, target, context);
  const greeted = await connection.greet();
  silence?.stop();
  if (greeted.kind === "failed") {
    const speaksTls = !implicit && (silence?.speaksTls() ?? (await probeServer(target, context)) === "tls");
    return speaksTls || silence?.speaksTls() ? tlsFirst(target) : troubleOf(greeted.failure);
  }
  const hello = await connection.hello();
  if (hello.kind === "failed") return troubleOf(hello.failure);
  const trouble = implicit ? undefined : await secure(connection, preparation);
  return trouble ?? (plan.credentials ? await logIn(connection, preparation) : undefined);
}

const verifiedHint = "Use --ca FILE to trust a certificate, or --tls starttls to continue without verification.";

async function secure(connection: SmtpClientConnection, preparation: Preparation): Promise<SendTrouble | undefined> {
  const { plan, watch, context, tlsOptions } = preparation;
  if (plan.tls === "none") return undefined;
  const needed = plan.tls !== "opportunistic";
  if (!connection.capabilities.startTls) {
    return needed
      ? {
          exitCode: ExitCode.unavailable,
          message: "the server does not offer STARTTLS",
          hint: "Use --tls none to send without TLS.",
        }
      : undefined;
  }
  const answer = await connection.startTls({ ...tlsOptions, signal: context.interrupted });
  switch (answer.kind) {
    case "established": {
      watch.tls?.(answer.facts);
      const again = await connection.hello();
      return again.kind === "failed" ? troubleOf(again.failure) : undefined;
    }
    case "tls-refused":
      if (!needed) return undefined;
      return { exitCode: exitCodeOf(answer.reply), message: `STARTTLS was refused: ${replyText(answer.reply)}` };
    case "failed": {
      const hints = { verified: verifiedHint, opportunistic: "Use --tls none to send without TLS." };
      const hint = plan.tls === "verified" || plan.tls === "opportunistic" ? hints[plan.tls] : undefined;
      return { ...troubleOf(answer.failure), ...(hint === undefined ? {} : { hint }) };
    }
    default:
      return answer satisfies never;
  }
}

async function logIn(connection: SmtpClientConnection, preparation: Preparation): Promise<SendTrouble | undefined> {
  const { plan, target, watch } = preparation;
  if (!plan.credentials) return undefined;
  const { endpoint } = target;
  const local = endpoint.kind === "unix" || isLoopback(endpoint.address);
  if (!connection.tls && !local) {
    const message = "the password was not sent: the connection does not use TLS";
    return { exitCode: ExitCode.noPermission, message, hint: "Use --tls starttls or --tls implicit." };
  }
  if (connection.tls && !connection.tls.verified && !local) {
    watch.remark?.("the certificate was not verified; someone in between could read the password");
  }
  const answer = await connection.authenticate(plan.credentials);
  switch (answer.kind) {
    case "authenticated":
      return undefined;
    case "authentication-failed":
      return {
        exitCode: ExitCode.noPermission,
        message: answer.reply
          ? `the login was refused: ${replyText(answer.reply)}`
          : "the server offers neither AUTH PLAIN nor AUTH LOGIN here",
      };
    case "failed":
      return troubleOf(answer.failure);
    default:
      return answer satisfies never;
  }
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

/** Somebody waits at a terminal, so one time for every step; the end of data keeps its ten minutes' worth of patience. */
function timeoutsOf(ms: number): typeof STANDARD_TIMEOUTS {
  return {
    ...STANDARD_TIMEOUTS,
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
