/** The client of a session as the decisions see it. Plain values, fixed for as long as they are held. */

export type ListenerKind = "mx" | "submission" | "submissions" | "lmtp";

export interface Client {
  readonly listener: ListenerKind;
  /** IP address as text; "" for a unix socket. */
  readonly address: string;
  /** The address in `relay.networks`. */
  readonly relayNetwork: boolean;
  /** The user's address, once logged in. */
  readonly login?: string;
}

/** RFC 6409: a program that submits new mail, as against a server that passes mail on. */
export function isSubmission(client: Pick<Client, "listener">): boolean {
  return client.listener === "submission" || client.listener === "submissions";
}

/** Whose mail we pass on as it is, for a user or for a server that stands behind us; all other mail is received. */
export function sendsOwnMail(client: Client): boolean {
  return isSubmission(client) || (client.listener === "mx" && (client.relayNetwork || client.login !== undefined));
}
