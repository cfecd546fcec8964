/**
 * Sends reports over HTTPS (RFC 8460 §3) through node:https: addresses come from our own resolver, private ones are refused,
 * redirects are not followed, the answer's body is not read, and all of it is bounded in time. The certificate is not
 * verified, as §3 allows: a report that tells of broken certificates has to get through one.
 */
import { request } from "node:https";
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import type { PostedReport, PostResult, ReportPoster } from "../../ports/report-poster.ts";
import type { Resolver } from "../../ports/resolver.ts";

export interface NodeReportPosterOptions {
  readonly resolver: Resolver;
  /** For all of one report; default {@link postTimeoutMs}. */
  readonly timeoutMs?: number;
}

const postTimeoutMs = 30_000;
const httpsPort = 443;

export class NodeReportPoster implements ReportPoster {
  readonly #options: NodeReportPosterOptions;

  constructor(options: NodeReportPosterOptions) {
    this.#options = options;
  }

  async post(url: URL, report: PostedReport): Promise<PostResult> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs ?? postTimeoutMs);
    const { hostname } = url;
    const bare = hostname.replace(/^\[(.*)\]$/, "$1");
    const given = parseIpAddress(bare);
    const found = given === undefined ? await this.#addressesOf(bare, signal) : [given.text];
    const address = found.find((text) => report.allowPrivate || isPublic(text));
    if (signal.aborted) return failed(`${hostname} does not answer in time`);
    if (address !== undefined) return await send(url, address, { ...report, signal });
    return failed(found.length === 0 ? `${hostname} has no address` : `${hostname} is not on the public internet`);
  }

  async #addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const { resolver } = this.#options;
    const answers = await Promise.all([
      resolver.query(host, "A", { signal }),
      resolver.query(host, "AAAA", { signal }),
    ]);
    return answers.flatMap((answer) => (answer.kind === "records" ? answer.records : []));
  }
}

function isPublic(text: string): boolean {
  const address = parseIpAddress(text);
  return address !== undefined && !isLoopback(address) && !isPrivate(address);
}

/** Never rejects. */
function send(
  url: URL,
  address: string,
  { contentType, body, signal }: PostedReport & { readonly signal: AbortSignal },
): Promise<PostResult> {
  const { host, hostname, port, pathname, search } = url;
  return new Promise((resolve) => {
    const outgoing = request({
      host: address,
      port: port === "" ? httpsPort : Number(port),
      path: `${pathname}${search}`,
      method: "POST",
      agent: false,
      ...(parseIpAddress(hostname.replace(/^\[(.*)\]$/, "$1")) === undefined && { servername: hostname }),
      headers: { host, "content-type": contentType, "content-length": body.length },
      minVersion: "TLSv1.2",
      rejectUnauthorized: false,
      signal,
    });
    outgoing.on("response", (incoming) => {
      const { statusCode = 0 } = incoming;
      incoming.destroy();
      resolve({ kind: "response", status: statusCode });
    });
    outgoing.on("error", (error) => {
      const why = signal.aborted ? "does not answer in time" : `cannot be reached: ${error.message}`;
      resolve(failed(`${hostname} ${why}`));
    });
    outgoing.end(body);
  });
}

function failed(detail: string): PostResult {
  return { kind: "failure", detail };
}
