/** STARTTLS (RFC 3207): whether the handshake begins, and what is forgotten when it is done. */
import type { TlsFacts } from "../../ports/network.ts";
import { reply } from "../../smtp/reply.ts";
import { leavePhase, type SessionState } from "../session-state.ts";
import { answer, type SessionAction } from "../session-action.ts";

const notAvailable = reply(454, "4.7.0", "TLS temporarily unavailable");

export function checkStartTls(state: SessionState): SessionAction {
  return state.services.certificates === undefined ? answer(notAvailable) : { kind: "start-tls" };
}

/** RFC 3207 §4.2: everything that the client said before is forgotten. */
export function proceedStartTls(state: SessionState, tls: TlsFacts): void {
  leavePhase(state);
  state.hello = undefined;
  state.signedIn = undefined;
  const { listener, address, relayNetwork, hidden } = state.client;
  state.client = { listener, address, relayNetwork, ...(hidden && { hidden }) };
  recogniseKey(state);
  tellTls(state, tls);
}

export function tellTls({ log }: SessionState, { protocol, cipher, resumed, serverName }: TlsFacts): void {
  log.event("session-tls", { protocol, cipher, resumed, server_name: serverName });
}

/** Whether the client's key may relay; it holds for the rest of the session. */
export function recogniseKey(state: SessionState): void {
  const { client, channel, settings } = state;
  const key = client.listener === "mx" ? channel.tls?.clientCertificate?.keySha256 : undefined;
  if (key !== undefined && settings.relayKeys.includes(key)) state.client = { ...client, relayKey: key };
}
