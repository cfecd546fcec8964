/** What goes wrong with DNS in a simulation: with all servers, with one of them, on the way to them, or in one zone. */
import type { SimulatedDns } from "../../src/testing/simulated-dns.ts";
import type { Chance } from "./chance.ts";

export type DnsFaultKind =
  | "dns-silent"
  | "dns-late"
  | "dns-zone-fails"
  | "dns-server-dead"
  | "dns-server-errs"
  | "dns-truncates"
  | "dns-tcp-fails"
  | "dns-forged"
  | "dns-servers-restart";

/** Begins it; what is given back ends it. `zone`: of the one receiver that it may concern. */
export function troubleDns(dns: SimulatedDns, kind: DnsFaultKind, zone: string, chance: Chance): () => void {
  const { servers } = dns;
  const each = (act: (server: (typeof servers)[number]) => void) => () => servers.forEach(act);
  // The last one is spared, so that one is always well.
  const { trouble } = chance.pick(servers.slice(0, -1));
  switch (kind) {
    case "dns-silent": {
      const loss = chance.pick([1, chance.between(0.2, 1)]);
      each((server) => (server.trouble.loss = loss))();
      return each((server) => (server.trouble.loss = 0));
    }
    case "dns-late": {
      const late = chance.between(0.1, 1);
      each((server) => (server.trouble.late = late))();
      return each((server) => (server.trouble.late = 0));
    }
    case "dns-zone-fails":
      dns.failZone(zone);
      return () => dns.healZone(zone);
    case "dns-server-dead": {
      // One at a time: with two of three silent, a question's patience ends before the well one is asked a second time.
      const dead = servers.find((server) => server.trouble.port !== "open")?.trouble ?? trouble;
      dead.port = chance.pick(["silent", "closed"]);
      return () => (dead.port = "open");
    }
    case "dns-server-errs":
      trouble.says = chance.pick(["SERVFAIL", "REFUSED", "a referral"]);
      return () => (trouble.says = "the answer");
    case "dns-truncates": {
      const truncated = chance.between(0.2, 1);
      each((server) => (server.trouble.truncated = truncated))();
      return each((server) => (server.trouble.truncated = 0));
    }
    case "dns-tcp-fails": {
      const tcp = chance.pick(["refuses", "stalls", "closes", "breaks off"] as const);
      const truncated = chance.between(0.2, 1);
      each((server) => Object.assign(server.trouble, { tcp, truncated }))();
      return each((server) => Object.assign(server.trouble, { tcp: "answers", truncated: 0 }));
    }
    case "dns-forged": {
      const forged = chance.between(0.1, 1);
      each((server) => (server.trouble.forged = forged))();
      return each((server) => (server.trouble.forged = 0));
    }
    case "dns-servers-restart":
      each(({ recursion }) => recursion.forget())();
      return () => undefined;
    default:
      return kind satisfies never;
  }
}
