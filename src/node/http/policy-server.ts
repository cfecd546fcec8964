/**
 * Serves short texts over HTTPS by host and path, and nothing else: GET and HEAD, no body is read, each connection has one
 * request and a bounded time. The certificate is chosen by the name that the client asks for.
 */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import type { HttpServer, PolicyServerOptions } from "../../ports/http-server.ts";
import { NetworkError } from "../../ports/network.ts";
import { TlsContexts } from "../tls/tls-contexts.ts";

const connectionsMax = 200;
const requestTimeoutMs = 10_000;

/** Rejects with {@link NetworkError}, `EADDRINUSE` among others. */
export async function servePolicies(
  endpoint: Extract<Endpoint, { readonly kind: "ip" }>,
  { tls, answer }: PolicyServerOptions,
): Promise<HttpServer> {
  const contexts = new TlsContexts();
  const { certificatePem: cert, keyPem: key } = tls.context();
  const server = createServer(
    // Clients that ask for no name get the certificate of the start.
    { cert, key, minVersion: "TLSv1.2", SNICallback: (name, choose) => choose(null, contexts.server(tls, name)) },
    (request, response) => {
      response.setHeader("connection", "close");
      const { method, url = "", headers } = request;
      if (method !== "GET" && method !== "HEAD") return void response.writeHead(405, { allow: "GET, HEAD" }).end();
      const host = asciiLowerCase(headers.host ?? "").replace(/:\d+$/, "");
      const text = answer(host, url.split("?", 1)[0] ?? "");
      if (text === undefined) return void response.writeHead(404, { "content-type": "text/plain" }).end("Not found\n");
      response.writeHead(200, {
        "content-type": "text/plain; charset=utf-8",
        "content-length": Buffer.byteLength(text),
      });
      response.end(method === "HEAD" ? undefined : text);
    },
  );
  server.maxConnections = connectionsMax;
  server.requestTimeout = requestTimeoutMs;
  server.headersTimeout = requestTimeoutMs;
  server.timeout = requestTimeoutMs;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new NetworkError(error.code ?? "EIO", error.message, { cause: error })),
    );
    server.listen(endpoint.port, endpoint.address, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    endpoint: { kind: "ip", address, port },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
