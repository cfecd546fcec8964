/** How two ends of a simulated connection agree on TLS: the test chooses the outcome, and the client's demand judges it. */
import { demandsVerification } from "../dane/verify-dane.ts";
import type { NetworkError, TlsClientOptions, TlsFacts, TlsServerOptions } from "../ports/network.ts";

/** How a simulated handshake ends, seen from the client; `undefined` is a success with a valid certificate. */
export type TlsOutcome =
  | { readonly kind: "established"; readonly facts?: Partial<TlsFacts> }
  | { readonly kind: "failed"; readonly reason: string }
  /** Neither side ever hears from the other. */
  | { readonly kind: "stalled" };

type ClientTls = { readonly side: "client" } & TlsClientOptions & { readonly signal?: AbortSignal };
type ServerTls = { readonly side: "server" } & TlsServerOptions;

/** One end of a connection has called `startTls` and waits for the other. */
export interface Handshake {
  readonly options: ClientTls | ServerTls;
  readonly resolve: (facts: TlsFacts) => void;
  readonly reject: (error: NetworkError) => void;
}

/** What follows from two ends that both called `startTls`; `chosen` gives what the test chose for this client. */
export function meet(
  ends: readonly [Handshake, Handshake],
  chosen: (client: TlsClientOptions) => TlsOutcome | undefined,
): Exclude<TlsOutcome, { kind: "established" }> | { readonly kind: "established"; readonly facts: TlsFacts } {
  const sides = new Map(ends.map(({ options }) => [options.side, options]));
  const client = sides.get("client");
  const server = sides.get("server");
  if (client?.side !== "client" || server?.side !== "server") {
    return { kind: "failed", reason: "both ends took the same side" };
  }
  const outcome = chosen(client) ?? { kind: "established" };
  if (outcome.kind !== "established") return outcome;
  server.context();
  const facts: TlsFacts = {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    resumed: false,
    serverName: client.serverName,
    verified: true,
    ...outcome.facts,
  };
  if (demandsVerification(client.demand) && !facts.verified) {
    return { kind: "failed", reason: facts.verifyError ?? "the certificate is not trusted" };
  }
  return { kind: "established", facts };
}
