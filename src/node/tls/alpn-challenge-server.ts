/** Answers the authority's TLS-ALPN-01 handshakes (RFC 8737 §3): a self-signed certificate that holds a digest, and then nothing. */
import { createSecureContext, createServer } from "node:tls";
import { type Endpoint, NetworkError } from "../../ports/network.ts";
import { makeAlpnCertificate } from "./self-signed.ts";

const protocol = "acme-tls/1";
/** The authority looks from a few places at once. */
const connectionsMax = 100;
const idleTimeoutMs = 10_000;

/** `digestFor` a name in lower case; undefined: nothing is to be proven of it. Rejects with {@link NetworkError}. */
export async function serveAlpnChallenges(
  endpoint: Endpoint,
  digestFor: (name: string) => Uint8Array | undefined,
): Promise<{ readonly endpoint: Endpoint; close(): Promise<void> }> {
  const server = createServer(
    {
      ALPNProtocols: [protocol],
      minVersion: "TLSv1.2",
      SNICallback: (name, choose) => {
        const digest = digestFor(name);
        if (digest === undefined) return choose(new Error("nothing is to be proven of this name"));
        const { certificatePem, keyPem } = makeAlpnCertificate(name, digest, Date.now());
        choose(null, createSecureContext({ cert: certificatePem, key: keyPem }));
      },
    },
    // RFC 8737 §3: the handshake is the proof.
    (socket) => socket.on("error", () => undefined).end(),
  );
  server.maxConnections = connectionsMax;
  server.on("connection", (socket) => socket.setTimeout(idleTimeoutMs, () => socket.destroy()));
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new NetworkError(error.code ?? "EIO", error.message, { cause: error })),
    );
    const opened = () => resolve();
    if (endpoint.kind === "unix") server.listen(endpoint.path, opened);
    else server.listen(endpoint.port, endpoint.address, opened);
  });
  const bound = server.address();
  const isIp = bound !== null && typeof bound === "object";
  return {
    endpoint: isIp ? { kind: "ip", address: bound.address, port: bound.port } : endpoint,
    close: async () => void server.close(),
  };
}
