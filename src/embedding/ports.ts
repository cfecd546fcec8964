/** `posthaste/ports`: what a server asks of the machine it runs on, as interfaces. */
export type { Endpoint } from "../lib/endpoint.ts";
export type { Clock, Timer } from "../ports/clock.ts";
export type { Crypto } from "../ports/crypto.ts";
export { FileError, type Files } from "../ports/files.ts";
export type { HttpServer } from "../ports/http-server.ts";
export { type Log, silentLog } from "../ports/log.ts";
export {
  type Connection,
  type Network,
  NetworkError,
  type NetworkListener,
  type TlsClientOptions,
  type TlsFacts,
  type TlsServerOptions,
} from "../ports/network.ts";
export type { Random } from "../ports/random.ts";
export type { DnsAnswer, QueryOptions, RecordType, Resolver, TlsaRecord } from "../ports/resolver.ts";
export type { HandshakeDemand, TlsDemand } from "../ports/tls-demand.ts";
export type { ServerPorts } from "../server/plan/server-ports.ts";
export { type Spool, SpoolError } from "../spool/spool.ts";
