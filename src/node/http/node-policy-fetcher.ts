/**
 * Fetches policies over HTTPS (RFC 8461 §3.3) through node:https: addresses come from our own resolver, private ones are
 * refused, the certificate must be of a trusted authority and name the host, redirects are not followed, and what is read
 * and waited for is bounded.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from "node:tls";
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import { withCertificateWords } from "../../lib/certificate-words.ts";
import type { FetchOptions, PolicyFetcher, PolicyResponse } from "../../ports/policy-fetcher.ts";
import type { Resolver } from "../../ports/resolver.ts";

export interface NodePolicyFetcherOptions {
  readonly resolver: Resolver;
  /** Trusted besides the usual authorities; PEM. */
  readonly certificateAuthorities?: readonly string[];
  /** Default: 443, and nothing else in production. */
  readonly port?: number;
  /** For all of one fetch; default {@link fetchTimeoutMs}. */
  readonly timeoutMs?: number;
}

type Failure = Extract<PolicyResponse, { kind: "failure" }>;

/** RFC 8461 §3.3 suggests at most a minute, but mail waits for it. */
const fetchTimeoutMs = 20_000;
/** Of each address. */
const connectTimeoutMs = 8000;
/** A policy's host has one or two of each family. */
const addressesMax = 4;
const httpsPort = 443;

export class NodePolicyFetcher implements PolicyFetcher {
  readonly #options: NodePolicyFetcherOptions;

  constructor(options: NodePolicyFetcherOptions) {
    this.#options = options;
  }

  async fetch(
    host: string,
    path: string,
    { bytesMax, allowPrivate = false, signal }: FetchOptions,
  ): Promise<PolicyResponse> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? fetchTimeoutMs);
    const until = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const addresses = await this.#addressesOf(host, { allowPrivate, signal: until });
    if ("kind" in addresses) return addresses;
    let failure: Failure | undefined;
    for (const address of addresses) {
      const response = await this.#get(address, { host, path, bytesMax, signal: until });
      // Another address is tried only where this one did not answer at all.
      if (response.kind === "response" || response.fault !== "unreachable" || until.aborted) return response;
      failure ??= response;
    }
    return failure ?? failed("dns", `${host} has no address`);
  }

  async #addressesOf(
    host: string,
    { allowPrivate, signal }: { readonly allowPrivate: boolean; readonly signal: AbortSignal },
  ): Promise<readonly string[] | Failure> {
    const { resolver } = this.#options;
    const asker = { purpose: "outbound", client: host } as const;
    const answers = await Promise.all([
      resolver.query(host, "A", { asker, signal }),
      resolver.query(host, "AAAA", { asker, signal }),
    ]);
    const found = answers.flatMap((answer) => (answer.kind === "records" ? answer.records : []));
    const usable = found.filter((text) => {
      const address = parseIpAddress(text);
      return address !== undefined && (allowPrivate || !(isLoopback(address) || isPrivate(address)));
    });
    if (signal.aborted) return tooSlow(host);
    if (usable.length > 0) return usable.slice(0, addressesMax);
    if (found.length > 0)
      return failed("unreachable", `${host} has only addresses that are not on the public internet`);
    const [trouble] = answers.flatMap((answer) => (answer.kind === "failure" ? [answer.reason] : []));
    return failed(
      "dns",
      trouble === undefined ? `${host} has no address` : `the DNS lookup of ${host} failed: ${trouble}`,
    );
  }

  #get(address: string, wanted: Wanted): Promise<PolicyResponse> {
    const { host, path, signal } = wanted;
    const { port = httpsPort, certificateAuthorities: ca } = this.#options;
    return new Promise((resolve, reject) => {
      const outgoing = request({
        host: address,
        port,
        path,
        method: "GET",
        agent: false,
        servername: host,
        headers: { host, accept: "text/plain" },
        minVersion: "TLSv1.2",
        rejectUnauthorized: true,
        checkServerIdentity: (_name, certificate) => identityFault(host, certificate),
        signal,
        ...(ca !== undefined && { ca: [...ca] }),
      });
      const timer = setTimeout(() => outgoing.destroy(new Error("no answer")), connectTimeoutMs);
      outgoing.on("response", (incoming) => {
        clearTimeout(timer);
        readResponse(incoming, wanted).then((response) => {
          outgoing.destroy();
          resolve(response);
        }, reject);
      });
      outgoing.on("error", (error) => {
        clearTimeout(timer);
        resolve(failureOf(error, outgoing.socket as TLSSocket | null, wanted));
      });
      outgoing.end();
    });
  }
}

interface Wanted {
  readonly host: string;
  readonly path: string;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

/** Never rejects. */
async function readResponse(incoming: IncomingMessage, { host, bytesMax, signal }: Wanted): Promise<PolicyResponse> {
  const status = incoming.statusCode ?? 0;
  const contentType = incoming.headers["content-type"];
  // What says nothing is not read; a redirect's page may be of any length.
  if (status !== 200) return { kind: "response", status, contentType, body: Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > bytesMax) return failed("too-large", `${host} sends more than ${bytesMax} octets`);
      chunks.push(chunk);
    }
  } catch (error) {
    return signal.aborted ? tooSlow(host) : failed("unreachable", `${host} broke off: ${(error as Error).message}`);
  }
  return { kind: "response", status, contentType, body: Buffer.concat(chunks) };
}

/** RFC 8461 §3.3: only DNS names count, never the common name. */
function identityFault(host: string, certificate: PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname ?? "";
  if (!names.includes("DNS:")) return new Error("the certificate has no DNS name");
  return checkServerIdentity(host, certificate);
}

function failureOf(error: Error, socket: TLSSocket | null, { host, signal }: Wanted): Failure {
  if (signal.aborted) return tooSlow(host);
  // Set where the handshake went well, but the certificate did not.
  const fault = socket?.authorizationError as Error | string | null | undefined;
  if (fault === undefined || fault === null)
    return failed("unreachable", `${host} cannot be reached: ${error.message}`);
  const { code } = error as NodeJS.ErrnoException;
  return failed("certificate", `${host} has no valid certificate: ${withCertificateWords(code ?? error.message)}`);
}

function tooSlow(host: string): Failure {
  return failed("time-out", `${host} does not answer in time`);
}

function failed(fault: Failure["fault"], detail: string): Failure {
  return { kind: "failure", fault, detail };
}
