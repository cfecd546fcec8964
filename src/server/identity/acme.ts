/** The certificate that the server gets by ACME: the service, and what operators ask of it. */
import { AcmeAdministration } from "../../acme/acme-administration.ts";
import { AcmeFiles } from "../../acme/acme-files.ts";
import { AcmeService } from "../../acme/acme-service.ts";
import { alpnProver, hookProver, httpProver } from "../../acme/provers.ts";
import { type AcmeTerms, challengeAddress } from "../../acme/settings.ts";
import type { Prover } from "../../acme/obtain-certificate.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { formatEndpoint } from "../../lib/endpoint.ts";
import type { CertificateStore } from "../../node/tls/certificate-store.ts";
import { type Endpoint, NetworkError } from "../../ports/network.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { ServerPorts } from "../plan/server-ports.ts";

/** Without the port of ACME, nothing is asked for, and operators see what is planned. */
export function openAcme({ settings, ports, parts }: Opening, certificates: CertificateStore): AcmeAdministration {
  const { acme, clock, random, resolver, log } = ports;
  const files = new AcmeFiles(ports.files, settings.data_dir);
  const { get, prepare } = new InForce(acmeTerms(settings));
  const service =
    acme &&
    new AcmeService(
      {
        ...{ files, clock, random, resolver, log },
        http: ({ settings: { ca } }) => acme.http(ca === undefined ? [] : [ca]),
        prover: (terms) => proverOf(terms, ports, acme),
        installed: () => certificates.refresh(),
      },
      get(),
    );
  parts.add({
    name: "acme",
    view: acmeTerms,
    prepare: (next) => {
      const apply = prepare(next);
      return () => {
        apply();
        service?.reconfigure(next);
      };
    },
    start: () => service?.start(),
    drain: () => service?.close(),
  });
  return new AcmeAdministration({ files, terms: get, ...(service && { look: service.look.bind(service) }) });
}

export function acmeTerms({ hostname, tls: { acme } }: Settings): AcmeTerms | undefined {
  return acme && { hostname, settings: acme };
}

function proverOf(
  { settings }: AcmeTerms,
  { serveHttp }: ServerPorts,
  { serveAlpn, runHook }: NonNullable<ServerPorts["acme"]>,
): Prover {
  const endpoint = challengeAddress(settings);
  switch (settings.challenge) {
    case "http-01":
      return httpProver(withIpv4(serveHttp), endpoint);
    case "tls-alpn-01":
      return alpnProver(withIpv4(serveAlpn), endpoint);
    case "dns-01":
      return hookProver(runHook, settings.hook ?? []);
    default:
      return settings.challenge satisfies never;
  }
}

/** A system without IPv6 has no `::`. What cannot be listened on is named. */
function withIpv4<What, Server>(
  serve: (endpoint: Endpoint, what: What) => Promise<Server>,
): (endpoint: Endpoint, what: What) => Promise<Server> {
  return async (endpoint, what) => {
    try {
      return await serve(endpoint, what);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      const noIpv6 = error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL";
      if (noIpv6 && endpoint.kind === "ip" && endpoint.address === "::") {
        return await serve({ ...endpoint, address: "0.0.0.0" }, what);
      }
      const place = formatEndpoint(endpoint);
      const taken =
        error.code === "EADDRINUSE" ? "is taken by another program" : `cannot be listened on (${error.code})`;
      throw new Error(`${place} ${taken}`, { cause: error });
    }
  };
}
