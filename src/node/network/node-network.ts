/**
 * The network through node:net: listeners on addresses and unix sockets, connections to them. What happens on a
 * connection is `node-connection.ts`. Nothing is counted here: limits are those of whoever is handed the connections.
 */
import { rm, stat } from "node:fs/promises";
import { connect, createServer, isIP, type Server, type Socket } from "node:net";

import type { Endpoint } from "../../lib/endpoint.ts";
import {
  NetworkError,
  type Connection,
  type Network,
  type NetworkListener,
  type TlsClientOptions,
} from "../../ports/network.ts";
import { networkError, NodeConnection, plainAddress } from "./node-connection.ts";
import { TlsContexts } from "../tls/tls-contexts.ts";

/** Connections wait here while one turn of the event loop runs; the system lowers it to its own limit (somaxconn). */
const backlog = 4096;
/** How long a unix socket that may be left over is asked whether someone still listens. */
const staleSocketTimeoutMs = 1000;

export interface NodeNetworkOptions {
  /** Accepting failed (too many open files, for instance); the listener goes on. */
  readonly onListenerError?: (error: NetworkError, listener: Endpoint) => void;
}

type ListenOptions = Parameters<Network["listen"]>[1];

export class NodeNetwork implements Network {
  readonly #options: NodeNetworkOptions;
  readonly #contexts = new TlsContexts();

  constructor(options: NodeNetworkOptions = {}) {
    this.#options = options;
  }

  async listen(endpoint: Endpoint, options: ListenOptions): Promise<NetworkListener> {
    if (endpoint.kind === "unix") await removeStaleSocket(endpoint.path);
    // Half-open, since "QUIT" and FIN in one segment must still get their replies.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, this.#acceptor(endpoint, options));
    try {
      await listening(server, endpoint);
    } catch (error) {
      // A system without IPv6 still serves everything that can reach it.
      const code = (error as NodeJS.ErrnoException).code;
      const noIpv6 = code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL";
      if (!noIpv6 || endpoint.kind !== "ip" || endpoint.address !== "::") throw networkError(error as Error);
      return await this.listen({ ...endpoint, address: "0.0.0.0" }, options);
    }
    const real = realEndpoint(server, endpoint);
    server.on("error", (error) => this.#options.onListenerError?.(networkError(error), real));
    // The server's own callback would wait for the last connection, and connections live on.
    const close = async () => void server.close();
    return { endpoint: real, close, [Symbol.asyncDispose]: close };
  }

  async connect(
    endpoint: Endpoint,
    options: { readonly signal?: AbortSignal; readonly localAddress?: string; readonly tls?: TlsClientOptions },
  ): Promise<Connection> {
    const { signal, localAddress, tls } = options;
    signal?.throwIfAborted();
    if (endpoint.kind === "ip" && isIP(endpoint.address) === 0) {
      throw new NetworkError("EINVAL", `not an IP address: ${endpoint.address}`);
    }
    const common = { allowHalfOpen: true, noDelay: true };
    const socket =
      endpoint.kind === "unix"
        ? connect({ ...common, path: endpoint.path })
        : connect({
            ...common,
            host: endpoint.address,
            port: endpoint.port,
            autoSelectFamily: false,
            ...(localAddress !== undefined && { localAddress }),
          });
    await connected(socket, signal);
    const connection = new NodeConnection(socket, endpoint, this.#contexts);
    if (tls !== undefined) {
      await connection.startTls({ side: "client", ...tls, ...(signal !== undefined && { signal }) });
    }
    return connection;
  }

  #acceptor(listener: Endpoint, { accept }: ListenOptions): (socket: Socket) => void {
    const contexts = new TlsContexts();
    return (socket) => {
      const remote = remoteEndpoint(socket, listener);
      if (remote === undefined) {
        // The peer has gone already.
        socket.on("error", () => undefined);
        socket.destroy();
        return;
      }
      accept(new NodeConnection(socket, remote, contexts));
    };
  }
}

function listening(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    if (endpoint.kind === "unix") server.listen({ path: endpoint.path, backlog: backlog });
    // On "::" this takes IPv4 too.
    else server.listen({ host: endpoint.address, port: endpoint.port, backlog: backlog, exclusive: true });
  });
}

function connected(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect);
    };
    const onConnect = () => {
      done();
      resolve();
    };
    // Stays: a socket that reports an error to nobody would end the process.
    const onError = (error: Error) => {
      done();
      reject(networkError(error));
    };
    const onAbort = () => {
      done();
      socket.destroy();
      reject(signal?.reason as Error);
    };
    socket.once("connect", onConnect);
    socket.once("error", onError);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function realEndpoint(server: Server, asked: Endpoint): Endpoint {
  const address = server.address();
  if (asked.kind === "unix" || address === null || typeof address === "string") return asked;
  return { kind: "ip", address: address.address, port: address.port };
}

/** Undefined when the peer has gone already. Clients of a unix socket have no name. */
function remoteEndpoint({ remoteAddress, remotePort }: Socket, listener: Endpoint): Endpoint | undefined {
  if (listener.kind === "unix") return { kind: "unix", path: "" };
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return { kind: "ip", address: plainAddress(remoteAddress), port: remotePort };
}

/** A socket's file outlives a crash; it is removed when nobody answers on it, and only if it is a socket. */
async function removeStaleSocket(path: string): Promise<void> {
  const facts = await stat(path).catch(() => undefined);
  if (facts?.isSocket() !== true) return;
  const socket = connect({ path });
  try {
    await connected(socket, AbortSignal.timeout(staleSocketTimeoutMs));
  } catch (error) {
    if ((error as NetworkError).code === "ECONNREFUSED") await rm(path, { force: true });
    return;
  } finally {
    socket.destroy();
  }
}
