/**
 * The conversation that opens a session with a server: greeting, EHLO, STARTTLS and EHLO again, login. Delivery and
 * `posthaste send` have it in common, and with it the rule when a password may cross: over verified TLS, to this machine,
 * or through a unix socket. What goes wrong is a value; what follows from it is the caller's to decide.
 */
import { pbkdf2Sync } from "node:crypto";
import { isLoopback } from "../lib/ip-network.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import type { TlsClientOptions, TlsFacts } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { ClientChannel } from "../sasl/client-mechanism.ts";
import { digestBytes } from "../sasl/scram-verifier.ts";
import type { ClientCredentials } from "../smtp/client/authentication.ts";
import type { ClientFailure } from "../smtp/client/failure.ts";
import type { ReceivedReply } from "../smtp/reply-reader.ts";
import type { SmtpClientConnection } from "./smtp-client-connection.ts";

/** A password, or an access token. */
export type SessionCredentials = Extract<ClientCredentials, { readonly username: string }>;

export interface SessionTerms {
  readonly endpoint: Endpoint;
  /**
   * What STARTTLS has to give; undefined: it is not asked for. Under an opportunistic demand the session goes on in clear where
   * the server does not offer it or refuses it. A connection that is under TLS already stays as it is.
   */
  readonly startTls: TlsClientOptions | undefined;
  readonly credentials: SessionCredentials | undefined;
  /** For the nonce of a login. */
  readonly random: Random;
  /** HELO instead of EHLO. */
  readonly plainHello?: boolean;
  /** Ends a handshake under way. */
  readonly signal: AbortSignal;
  readonly onGreeting?: () => void;
  readonly onTls?: ((facts: TlsFacts) => void) | undefined;
}

export type SessionTrouble =
  /** `hello-again`: the EHLO under TLS. */
  | {
      readonly kind: "failed";
      readonly step: "greeting" | "hello" | "handshake" | "hello-again" | "login";
      readonly failure: ClientFailure;
    }
  | { readonly kind: "tls-not-offered" }
  | { readonly kind: "tls-refused"; readonly reply: ReceivedReply }
  /** The password did not cross; `facts`: of the TLS that was not good enough. */
  | { readonly kind: "password-withheld"; readonly facts: TlsFacts | undefined }
  | { readonly kind: "no-mechanism" }
  | { readonly kind: "login-refused"; readonly reply: ReceivedReply };

/** Undefined: a transaction can begin. Whether the connection is left or kept open after trouble is the caller's to say. */
export async function openSession(
  connection: SmtpClientConnection,
  terms: SessionTerms,
): Promise<SessionTrouble | undefined> {
  const greeting = await connection.greet();
  terms.onGreeting?.();
  if (greeting.kind === "failed") return { kind: "failed", step: "greeting", failure: greeting.failure };
  const hello = await connection.hello({ plain: terms.plainHello === true });
  if (hello.kind === "failed") return { kind: "failed", step: "hello", failure: hello.failure };
  const startTls = connection.tls === undefined ? terms.startTls : undefined;
  const trouble = startTls && (await secure(connection, startTls, terms));
  return trouble ?? (terms.credentials && (await logIn(connection, terms, terms.credentials)));
}

/** STARTTLS and the second EHLO; undefined: go on, under TLS or, where the terms allow it, in clear. */
async function secure(
  connection: SmtpClientConnection,
  startTls: TlsClientOptions,
  terms: SessionTerms,
): Promise<SessionTrouble | undefined> {
  const optional = startTls.demand.kind === "opportunistic";
  if (!connection.capabilities.startTls) return optional ? undefined : { kind: "tls-not-offered" };
  const answer = await connection.startTls({ ...startTls, signal: terms.signal });
  switch (answer.kind) {
    case "established": {
      terms.onTls?.(answer.facts);
      const again = await connection.hello();
      return again.kind === "failed" ? { kind: "failed", step: "hello-again", failure: again.failure } : undefined;
    }
    case "tls-refused":
      return optional ? undefined : { kind: "tls-refused", reply: answer.reply };
    case "failed":
      return { kind: "failed", step: "handshake", failure: answer.failure };
    default:
      return answer satisfies never;
  }
}

async function logIn(
  connection: SmtpClientConnection,
  { endpoint, random }: Pick<SessionTerms, "endpoint" | "random">,
  credentials: SessionCredentials,
): Promise<SessionTrouble | undefined> {
  if (!mayCarryPassword(connection.tls, endpoint)) return { kind: "password-withheld", facts: connection.tls };
  const { auth } = connection.capabilities;
  const channel = channelOf(connection, random);
  let answer = await connection.authenticate(credentials, { channel });
  const mayLackVerifiers = auth.some((name) => name.startsWith("SCRAM-")) && auth.some((name) => showing.has(name));
  // Not where the server failed to prove itself: the password would go to whoever could not.
  const refused = answer.kind === "authentication-failed" && answer.cancelled !== true && answer.reply?.code === 535;
  if (refused && mayLackVerifiers && "password" in credentials) {
    answer = await connection.authenticate(credentials, { channel, showPassword: true });
  }
  switch (answer.kind) {
    case "authenticated":
      return undefined;
    case "authentication-failed":
      return answer.reply === undefined ? { kind: "no-mechanism" } : { kind: "login-refused", reply: answer.reply };
    case "failed":
      return { kind: "failed", step: "login", failure: answer.failure };
    default:
      return answer satisfies never;
  }
}

/** Many servers list SCRAM and keep only hashes, of which PLAIN and LOGIN alone make use. */
const showing: ReadonlySet<string> = new Set(["PLAIN", "LOGIN"]);
/** 144 bits, in 24 characters without a comma. */
const nonceBytes = 18;

function channelOf(connection: SmtpClientConnection, random: Random): ClientChannel {
  const type = ["tls-exporter", "tls-unique"].find((name) => connection.channelBinding(name) !== undefined);
  const data = type === undefined ? undefined : connection.channelBinding(type);
  return {
    nonce: () => Buffer.from(random.bytes(nonceBytes)).toString("base64"),
    ...(type !== undefined && data !== undefined && { channelBinding: { type, data } }),
    derive: (password, { digest, iterations, salt }) =>
      pbkdf2Sync(password, salt, iterations, digestBytes(digest), digest),
  };
}

function mayCarryPassword(tls: TlsFacts | undefined, endpoint: Endpoint): boolean {
  if (endpoint.kind === "unix" || isLoopback(endpoint.address)) return true;
  return tls?.verified === true;
}
