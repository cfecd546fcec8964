/** Serves a Request-to-Response function over HTTP on an address or a unix socket. */
import { createAdaptorServer } from "@hono/node-server";
import { chmod, rm } from "node:fs/promises";
import { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Endpoint } from "../../lib/endpoint.ts";
import type { HttpServer } from "../../ports/http-server.ts";
import { NetworkError } from "../../ports/network.ts";

/** Requests that wait for mail are open for minutes; each takes some 20 KB. Further connections are closed. */
const connectionsMax = 1000;

/** Rejects with {@link NetworkError}, `EADDRINUSE` among others. */
export async function serveHttp(
  endpoint: Endpoint,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<HttpServer> {
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false });
  if (!(server instanceof Server)) throw new Error("the adaptor made no HTTP/1.1 server");
  // A waiting request lasts up to five minutes; headers have to come within the default minute.
  server.requestTimeout = 330_000;
  server.maxConnections = connectionsMax;
  if (endpoint.kind === "unix") await rm(endpoint.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new NetworkError(error.code ?? "EIO", error.message, { cause: error })),
    );
    const opened = () => resolve();
    if (endpoint.kind === "unix") server.listen(endpoint.path, opened);
    else server.listen(endpoint.port, endpoint.address, opened);
  });
  if (endpoint.kind === "unix") await chmod(endpoint.path, 0o600);
  const bound = server.address();
  return {
    endpoint: bound !== null && typeof bound === "object" ? ofAddress(bound) : endpoint,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function ofAddress({ address, port }: AddressInfo): Endpoint {
  return { kind: "ip", address, port };
}
