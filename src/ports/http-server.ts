/** HTTP on an address or a unix socket of this machine. */
import type { Endpoint } from "../lib/endpoint.ts";

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
