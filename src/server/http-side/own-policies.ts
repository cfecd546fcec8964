/** The MTA-STS policy of our own domains, over HTTPS where a listener is set for it (RFC 8461 §3.3). */
import { domainKeyOf } from "../../address/domain.ts";
import { ownStsPolicy } from "../../config/settings-views.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { policyHostOf, policyPath } from "../../mta-sts/fetch-policy.ts";
import { policyDocument } from "../../mta-sts/own-policy.ts";
import type { HttpServer, PolicyServerOptions, ServePolicies } from "../../ports/http-server.ts";
import type { TlsServerOptions } from "../../ports/network.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { ServerPorts } from "../plan/server-ports.ts";
import { startError } from "../plan/start-error.ts";

/** `tls`: has to have a certificate for the policies' hosts, or nobody can fetch them. */
export async function openOwnPolicies({ settings, ports, parts }: Opening, tls: TlsServerOptions): Promise<void> {
  const { listen } = settings.mta_sts;
  const { get, prepare } = new InForce(view(settings));
  const answer = (host: string, path: string): string | undefined => {
    const { hosts, document } = get();
    return path === policyPath && hosts.has(host) ? document : undefined;
  };
  const server = listen?.kind === "ip" ? await serve(ports, listen, { tls, answer }) : undefined;
  parts.add({ name: "own-policies", view, prepare, stop: () => server?.close() });
}

async function serve(
  { servePolicies }: ServerPorts,
  endpoint: Parameters<ServePolicies>[0],
  options: PolicyServerOptions,
): Promise<HttpServer | undefined> {
  try {
    return await servePolicies?.(endpoint, options);
  } catch (error) {
    throw startError(error, "mta_sts", endpoint);
  }
}

function view(settings: Settings) {
  const policy = ownStsPolicy(settings);
  const hosts = new Set(settings.domain.map(({ name }) => policyHostOf(domainKeyOf(name) ?? name)));
  return { hosts, document: policy && policyDocument(policy) };
}
