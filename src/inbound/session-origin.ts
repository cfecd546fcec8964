/** A session as the intake sees it: where a message of it comes from, and how far its client is trusted. */
import type { Envelope } from "../intake/envelope.ts";
import type { ClientOrigin, ClientTrust } from "../intake/origin.ts";
import { isLoopback } from "../lib/ip-network.ts";
import { isSubmission, mayRelay } from "../policy/client.ts";
import type { Hello, SessionState } from "./session-state.ts";

export function originOf(
  state: SessionState,
  envelope: Envelope,
  { checkLineEnds }: { readonly checkLineEnds: boolean },
): ClientOrigin {
  const { client, hello, listener, log, memory } = state;
  const { tls } = state.channel;
  const { login, address } = client;
  const smtpUtf8 = envelope.parameters.smtpUtf8 === true;
  return {
    trust: trustOf(state),
    client,
    facts: {
      listener: listener.kind,
      ...(address !== "" && { clientAddress: address }),
      ...(hello !== undefined && { hello: hello.name }),
      ...(tls !== undefined && { tls: { protocol: tls.protocol, cipher: tls.cipher } }),
      protocol: protocolKeyword({ hello, tls: tls !== undefined, login: login !== undefined, smtpUtf8 }),
      ...(login !== undefined && { login }),
      ...(state.signedIn !== undefined && { signedIn: state.signedIn }),
      ...(client.relayKey !== undefined && { relayKey: client.relayKey }),
    },
    checkLineEnds,
    ...(listener.development === true && { development: true }),
    log,
    memory: memory.ofMessage(),
  };
}

function trustOf({ client, listener }: SessionState): ClientTrust {
  if (isSubmission(client)) return "submitter";
  if (mayRelay(client)) return "relay";
  if (client.listener !== "mx" || client.login !== undefined || client.address === "") return "known";
  // Programs under development talk over loopback.
  return listener.development === true && isLoopback(client.address) ? "known" : "stranger";
}

/** The `with` clause: RFC 3848, RFC 6531 §3.7.3; HELO knows no extension, so plain SMTP says it all. */
export function protocolKeyword(session: {
  readonly hello: Hello | undefined;
  readonly tls: boolean;
  readonly login: boolean;
  readonly smtpUtf8: boolean;
}): string {
  const { hello, tls, login, smtpUtf8 } = session;
  if (hello === undefined || hello.verb === "HELO") return "SMTP";
  const lmtp = hello.verb === "LHLO";
  const base = lmtp ? (smtpUtf8 ? "UTF8LMTP" : "LMTP") : smtpUtf8 ? "UTF8SMTP" : "ESMTP";
  return `${base}${tls ? "S" : ""}${login ? "A" : ""}`;
}
