/** Shows proofs by HTTP-01, TLS-ALPN-01 and DNS-01. Whatever listens does so only while there is something to show. */
import type { Endpoint } from "../ports/network.ts";
import { alpnDigestOf, dnsRecordOf, httpChallengePrefix, type Proof } from "./challenge.ts";
import type { Prover } from "./obtain-certificate.ts";

interface Listening {
  close(): Promise<void>;
}

export type ServeHttp = (
  endpoint: Endpoint,
  fetch: (request: Request) => Response | Promise<Response>,
) => Promise<Listening>;

/** Answers TLS handshakes for `acme-tls/1` with certificates that hold the digests (RFC 8737 §3). */
export type ServeAlpn = (endpoint: Endpoint, digestFor: (name: string) => Uint8Array | undefined) => Promise<Listening>;

/** Rejects where the program fails, in its own words. */
export type RunHook = (command: readonly string[]) => Promise<void>;

/** RFC 8555 §8.3. The token is in the path, so nobody else learns a proof. */
export function httpProver(serve: ServeHttp, endpoint: Endpoint): Prover {
  return listeningProver("http-01", (proofs) =>
    serve(endpoint, (request) => {
      const { pathname } = new URL(request.url);
      const token = pathname.startsWith(httpChallengePrefix) ? pathname.slice(httpChallengePrefix.length) : "";
      const proof = proofs().find((each) => each.token === token);
      if (proof === undefined) return new Response("not found\n", { status: 404 });
      return new Response(proof.keyAuthorization, { headers: { "content-type": "application/octet-stream" } });
    }),
  );
}

export function alpnProver(serve: ServeAlpn, endpoint: Endpoint): Prover {
  return listeningProver("tls-alpn-01", (proofs) =>
    serve(endpoint, (name) => {
      const proof = proofs().find((each) => each.name === name);
      return proof && alpnDigestOf(proof);
    }),
  );
}

export function hookProver(run: RunHook, command: readonly string[]): Prover {
  const call = (verb: "add" | "remove", proof: Proof) => {
    const { name, value } = dnsRecordOf(proof);
    return run([...command, verb, name, value]);
  };
  return {
    type: "dns-01",
    show: (proof) => call("add", proof),
    // A record that stays does no harm, and the certificate may be there already.
    withdraw: (proof) => call("remove", proof).catch(() => undefined),
  };
}

/** Proofs come one after the other, and rarely several at once. */
function listeningProver(type: Prover["type"], open: (proofs: () => readonly Proof[]) => Promise<Listening>): Prover {
  let shown: readonly Proof[] = [];
  let listening: Listening | undefined;
  return {
    type,
    show: async (proof) => {
      shown = [...shown, proof];
      listening ??= await open(() => shown);
    },
    withdraw: async (proof) => {
      shown = shown.filter((other) => other !== proof);
      if (shown.length > 0) return;
      const over = listening;
      listening = undefined;
      await over?.close();
    },
  };
}
