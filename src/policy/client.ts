/** The client of a session as the decisions see it. Plain values, fixed for as long as they are held. */
import type { ServerKind } from "../smtp/server/protocol-settings.ts";

export interface Client {
  readonly listener: ServerKind;
  /** IP address as text; "" for a unix socket. */
  readonly address: string;
  /**
   * The address is not the client's own, but that of something that stands between and does not tell it: nothing is
   * trusted, and nobody is judged, because of it.
   */
  readonly hidden?: true;
  /** The address in `relay.networks`. */
  readonly relayNetwork: boolean;
  /** SHA-256 of the key of its TLS certificate, where that is in `relay.keys`. */
  readonly relayKey?: string;
  /** The user's address, once logged in. */
  readonly login?: string;
}

/** RFC 6409: a program that submits new mail, as against a server that passes mail on. */
export function isSubmission(client: Pick<Client, "listener">): boolean {
  return client.listener === "submission" || client.listener === "submissions";
}

/** A server whose mail we relay without a login. */
export function mayRelay({ relayNetwork, relayKey }: Pick<Client, "relayNetwork" | "relayKey">): boolean {
  return relayNetwork || relayKey !== undefined;
}

/** Whose mail we pass on as it is, for a user or for a server that stands behind us; all other mail is received. */
export function sendsOwnMail(client: Client): boolean {
  return isSubmission(client) || (client.listener === "mx" && (mayRelay(client) || client.login !== undefined));
}
