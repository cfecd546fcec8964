/**
 * HTTPS requests through node:https: addresses come from our own resolver, the certificate must be of a trusted authority, and
 * what is read and waited for is bounded.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { isIP } from "node:net";
import { withCertificateWords } from "../../lib/certificate-words.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../../ports/http-client.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { usualRoots } from "../tls/authorities.ts";

export interface NodeHttpClientOptions {
  readonly resolver: Resolver;
  /** Trusted besides the usual authorities; PEM. */
  readonly certificateAuthorities?: readonly string[];
}

/** Of one request: some authorities take ten seconds and more to issue. */
const timeoutMs = 60_000;
const connectTimeoutMs = 10_000;
const addressesMax = 4;

interface Refused {
  readonly error: Error;
  /** Nobody answered there, so another address may be tried. */
  readonly isUnreached: boolean;
}

export class NodeHttpClient implements HttpClient {
  readonly #options: NodeHttpClientOptions;

  constructor(options: NodeHttpClientOptions) {
    this.#options = options;
  }

  async request(wanted: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(wanted.url);
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = wanted.signal === undefined ? timeout : AbortSignal.any([wanted.signal, timeout]);
    let refused: Error | undefined;
    for (const address of await this.#addressesOf(url.hostname, signal)) {
      const result = await this.#ask(address, url, wanted, signal);
      if (!("error" in result)) return result;
      if (timeout.aborted) throw new Error(`${url.host} does not answer in time`);
      if (!result.isUnreached || signal.aborted) throw result.error;
      refused ??= result.error;
    }
    throw refused ?? new Error(`${url.hostname} has no address`);
  }

  async #addressesOf(hostname: string, signal: AbortSignal): Promise<readonly string[]> {
    const literal = hostname.replace(/^\[(.*)\]$/, "$1");
    if (isIP(literal) !== 0) return [literal];
    const { resolver } = this.#options;
    const options = { signal, asker: { purpose: "upkeep" } } as const;
    const answers = await Promise.all([
      resolver.query(hostname, "A", options),
      resolver.query(hostname, "AAAA", options),
    ]);
    const found = answers.flatMap((answer) => (answer.kind === "records" ? answer.records : []));
    const [trouble] = answers.flatMap((answer) => (answer.kind === "failure" ? [answer.reason] : []));
    if (found.length === 0 && trouble !== undefined)
      throw new Error(`the DNS lookup of ${hostname} failed: ${trouble}`);
    return found.slice(0, addressesMax);
  }

  #ask(address: string, url: URL, wanted: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | Refused> {
    const { certificateAuthorities: extra = [] } = this.#options;
    const { body = "" } = wanted;
    return new Promise((resolve) => {
      let isReached = false;
      const outgoing = request({
        host: address,
        port: url.port === "" ? 443 : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method: wanted.method,
        agent: false,
        // An address is compared with the certificate as an address.
        ...(isIP(url.hostname.replace(/^\[(.*)\]$/, "$1")) === 0 && { servername: url.hostname }),
        headers: {
          ...wanted.headers,
          host: url.host,
          "user-agent": "posthaste",
          ...(body !== "" && { "content-length": String(Buffer.byteLength(body)) }),
        },
        minVersion: "TLSv1.2",
        ca: [...usualRoots(), ...extra],
        signal,
      });
      const timer = setTimeout(() => outgoing.destroy(new Error("no connection")), connectTimeoutMs);
      outgoing.on("socket", (socket) =>
        socket
          .once("connect", () => {
            isReached = true;
          })
          .once("secureConnect", () => clearTimeout(timer)),
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        resolve({ error: wordsOf(error, url.host), isUnreached: !isReached });
      };
      outgoing.on("error", fail);
      outgoing.on("response", (incoming) => {
        readAnswer(incoming, wanted.bytesMax).then((answer) => {
          outgoing.destroy();
          resolve(answer);
        }, fail);
      });
      outgoing.end(body);
    });
  }
}

async function readAnswer(incoming: IncomingMessage, bytesMax: number): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) throw new Error(`sent more than ${bytesMax} octets`);
    chunks.push(chunk);
  }
  const headers = Object.entries(incoming.headers).flatMap(([name, value]) =>
    typeof value === "string" ? [[name, value] as const] : [],
  );
  return { status: incoming.statusCode ?? 0, headers: Object.fromEntries(headers), body: Buffer.concat(chunks) };
}

function wordsOf(error: Error, host: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  return new Error(`${host}: ${code === undefined ? error.message : withCertificateWords(code)}`, { cause: error });
}
