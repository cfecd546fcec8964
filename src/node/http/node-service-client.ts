/**
 * Requests over HTTPS to services that the configuration names, through node:https: names are looked up by our own
 * resolver, redirects are not followed, and what is read and waited for is bounded.
 */
import { Buffer } from "node:buffer";
import { type ClientRequest, request as plainRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import type { LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { withCertificateWords } from "../../lib/certificate-words.ts";
import {
  type ServiceClient,
  type ServiceOptions,
  type ServiceRequest,
  type ServiceResponse,
  isSafeUrl,
} from "../../ports/service-client.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { usualRoots } from "../tls/authorities.ts";

export interface NodeServiceClientOptions {
  readonly resolver: Resolver;
  /** For all of one request; default {@link requestTimeoutMs}. */
  readonly timeoutMs?: number;
}

/** A client that signs in waits for it; RFC 4954 §6 gives a server three minutes, and people less. */
const requestTimeoutMs = 15_000;

export class NodeServiceClient implements ServiceClient {
  readonly #options: NodeServiceClientOptions;

  constructor(options: NodeServiceClientOptions) {
    this.#options = options;
  }

  async request(request: ServiceRequest, options: ServiceOptions): Promise<ServiceResponse> {
    const url = new URL(request.url);
    if (!isSafeUrl(request.url)) return failed(`${url.host} is asked over https only`);
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? requestTimeoutMs);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    try {
      const found = await addressesOf(this.#options.resolver, url.hostname, signal);
      const lookup = lookupOf(url.hostname, found);
      const incoming = await send(url, request, { ...options, signal, lookup });
      const body = await readBody(incoming, options.bytesMax);
      incoming.destroy();
      return body === undefined
        ? failed(`${url.host} sends more than ${options.bytesMax} octets`)
        : { kind: "response", status: incoming.statusCode ?? 0, body };
    } catch (error) {
      if (signal.aborted) return failed(`${url.host} does not answer in time`);
      const { code, message } = error as NodeJS.ErrnoException;
      return failed(`${url.host} cannot be reached: ${withCertificateWords(code ?? message)}`);
    }
  }
}

function send(
  url: URL,
  { form, authorization }: ServiceRequest,
  { certificateAuthorities = [], signal, lookup }: ServiceOptions & { readonly lookup: LookupFunction },
): Promise<IncomingMessage> {
  const body = form === undefined ? undefined : new URLSearchParams(form).toString();
  const how: RequestOptions = {
    method: body === undefined ? "GET" : "POST",
    agent: false,
    lookup,
    ...(signal !== undefined && { signal }),
    headers: {
      accept: "application/json",
      ...(authorization !== undefined && { authorization }),
      ...(body !== undefined && {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": Buffer.byteLength(body),
      }),
    },
  };
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest =
      url.protocol === "https:"
        ? tlsRequest(url, { ...how, minVersion: "TLSv1.2", ca: [...usualRoots(), ...certificateAuthorities] })
        : plainRequest(url, how);
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** undefined: it is larger than `bytesMax`. */
async function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The names of one request are all one, and have been looked up. */
function lookupOf(host: string, found: readonly LookupAddress[]): LookupFunction {
  return (_name, { all }, callback) => {
    const [first] = found;
    if (first === undefined) callback(new Error(`${host} has no address`), "", 0);
    else if (all === true) callback(null, [...found]);
    else callback(null, first.address, first.family);
  };
}

async function addressesOf(resolver: Resolver, host: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
  if (isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0) return [];
  const asker = { purpose: "outbound", client: host } as const;
  const [ipv4, ipv6] = await Promise.all([
    resolver.query(host, "A", { asker, signal }),
    resolver.query(host, "AAAA", { asker, signal }),
  ]);
  const found = [
    ...(ipv4.kind === "records" ? ipv4.records.map((address) => ({ address, family: 4 })) : []),
    ...(ipv6.kind === "records" ? ipv6.records.map((address) => ({ address, family: 6 })) : []),
  ];
  const failure = [ipv4, ipv6].find(({ kind }) => kind === "failure");
  if (found.length === 0 && failure?.kind === "failure") throw new Error(`the DNS lookup failed: ${failure.reason}`);
  return found;
}

function failed(detail: string): ServiceResponse {
  return { kind: "failure", detail };
}
