/**
 * Makes the session of a connection and the settings of its protocol core: once when the connection begins, and once more when
 * a proxy names its client by XCLIENT. The rights of the proxy end there.
 */
import type { Refusal } from "../policy/decision.ts";
import type { Connection, TlsFacts } from "../ports/network.ts";
import type { ServerProtocolSettings } from "../smtp/server/protocol-settings.ts";
import type { XclientAttributes } from "../smtp/xclient.ts";
import { type ListenerOptions, protocolSettings } from "./listener-options.ts";
import type { Peer } from "./proxy-headers.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import { Session } from "./session.ts";
import type { SessionChannel } from "./session-state.ts";

export interface SessionPlace {
  readonly stream: Connection;
  readonly listener: ListenerOptions;
  readonly services: InboundServices;
  readonly settings: InboundSettings;
  readonly peer: Peer;
  /** Absent: it is served. */
  readonly refusal?: Refusal | undefined;
  /** Of the session that goes on; absent: a new one. */
  readonly id?: string;
}

export function sessionOf({ stream, refusal, ...place }: SessionPlace): {
  readonly session: Session;
  readonly protocol: ServerProtocolSettings;
} {
  const { services, settings, listener, peer } = place;
  const session = new Session({ ...place, ...(refusal && { refusal }), channel: channelOf(stream, peer) });
  const { client, authMechanisms, log } = session;
  const certificates = services.certificates !== undefined;
  const protocol = protocolSettings(listener, settings, { certificates, client, authMechanisms, log });
  return { session, protocol };
}

function channelOf(stream: Connection, { ourAddress, xclient }: Peer): SessionChannel {
  if (xclient !== true) {
    return {
      get tls() {
        return stream.tls;
      },
      ourAddress,
      channelBinding: (type) => stream.channelBinding(type),
    };
  }
  // The proxy's certificate gives its clients no rights, and they could not bind a password to its TLS.
  return {
    get tls() {
      return stream.tls && withoutCertificate(stream.tls);
    },
    ourAddress,
    channelBinding: () => undefined,
  };
}

function withoutCertificate(facts: TlsFacts): TlsFacts {
  const { clientCertificate, ...rest } = facts;
  return clientCertificate === undefined ? facts : rest;
}

/** Whose session it is once `proxy` has named the client. Without a name, only the proxy's address is known. */
export function namedPeer(proxy: Peer, { client, server }: XclientAttributes): Peer {
  return {
    address: client ?? proxy.address,
    ourAddress: server ?? proxy.ourAddress,
    ...(client === null && { hidden: true }),
    proxy: { address: proxy.address },
    xclient: true,
  };
}
