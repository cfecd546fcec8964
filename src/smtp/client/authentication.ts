/**
 * The client's side of AUTH (RFC 4954): a SASL mechanism as command and response lines. Whether credentials may be sent
 * over this connection at all is decided by the caller, before.
 */
import type { ClientChannel, ClientIdentity, ClientMechanism } from "../../sasl/client-mechanism.ts";
import { chooseClientMechanism } from "../../sasl/client-mechanisms.ts";
import { decodeBase64 } from "../../sasl/strict-base64.ts";

export interface PasswordCredentials {
  readonly username: string;
  readonly password: string;
}

/** User name and password, or what else a mechanism signs in with. */
export type ClientCredentials = PasswordCredentials | Exclude<ClientIdentity, { readonly kind: "password" }>;

export interface LoginOptions {
  /** Absent: mechanisms that need nonces or the TLS layer are left out. */
  readonly channel?: ClientChannel;
  /** Only mechanisms that show the password, since the server's SCRAM has just refused it. */
  readonly showPassword?: boolean;
}

/** One login: the command first, then an answer to each 334. */
export interface ClientLogin {
  readonly mechanism: string;
  /** Without its CRLF, as are the responses. */
  readonly command: string;
  /** Everything has been said, by the server too where it has to prove itself; only then it can accept the login. */
  readonly complete: boolean;
  /** A challenge was not acceptable, and "*" was the answer. */
  readonly cancelled: boolean;
  /**
   * The line that answers a challenge, given as the text of the reply; "*" cancels, once, where the challenge is not
   * acceptable or the mechanism has nothing more to say. undefined after that: no answer is left.
   */
  respond(challenge: string): string | undefined;
}

/** An initial response that makes the command, with its CRLF, longer than this is sent only when asked for (RFC 4954 §4). */
const commandOctetsMax = 512;

/** undefined: the peer offers none of the mechanisms that we have. */
export function beginLogin(
  credentials: ClientCredentials,
  offered: readonly string[],
  { channel, showPassword = false }: LoginOptions = {},
): ClientLogin | undefined {
  const identity: ClientIdentity = "kind" in credentials ? credentials : { kind: "password", ...credentials };
  const mechanism = chooseClientMechanism(identity, offered, channel, { showPassword });
  if (mechanism === undefined) return undefined;
  const command = `AUTH ${mechanism.name}`;
  // "=" is an empty initial response, since nothing at all would mean that there is none (RFC 4954 §4).
  const initial = mechanism.initial && (base64(mechanism.initial) || "=");
  const whole = initial === undefined ? command : `${command} ${initial}`;
  return whole.length + 2 <= commandOctetsMax ? login(mechanism, whole, true) : login(mechanism, command, false);
}

function login(mechanism: ClientMechanism, command: string, initialSent: boolean): ClientLogin {
  let awaitsInitial = !initialSent;
  let cancelled = false;
  return {
    mechanism: mechanism.name,
    command,
    get complete() {
      return !awaitsInitial && !cancelled && mechanism.complete;
    },
    get cancelled() {
      return cancelled;
    },
    respond(challenge) {
      if (cancelled) return undefined;
      if (awaitsInitial) {
        awaitsInitial = false;
        return base64(mechanism.initial ?? new Uint8Array(0));
      }
      const response = mechanism.respond(decodeBase64(challenge) ?? new TextEncoder().encode(challenge));
      cancelled = response === undefined;
      return response === undefined ? "*" : base64(response);
    },
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
