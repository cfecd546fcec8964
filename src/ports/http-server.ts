/** HTTP on an address or a unix socket of this machine. */
import type { Endpoint } from "../lib/endpoint.ts";
import type { TlsServerOptions } from "./network.ts";

/** A Request-to-Response function, served. */
export interface HttpServer {
  readonly endpoint: Endpoint;
  /** Ends open requests, waiting ones included. */
  close(): Promise<void>;
}

/** Rejects with `NetworkError`, `EADDRINUSE` among others. */
export type ServeHttp = (
  endpoint: Endpoint,
  fetch: (request: Request) => Response | Promise<Response>,
) => Promise<HttpServer>;

export interface PolicyServerOptions {
  readonly tls: TlsServerOptions;
  /** `host`: lower case, without a port. Undefined: there is nothing. */
  readonly answer: (host: string, path: string) => string | undefined;
}

/** Short texts over HTTPS. Rejects with `NetworkError`, `EADDRINUSE` among others. */
export type ServePolicies = (
  endpoint: Extract<Endpoint, { readonly kind: "ip" }>,
  options: PolicyServerOptions,
) => Promise<HttpServer>;
