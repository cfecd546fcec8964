/** Routing against a DNS from a table, and what tests look at in its results. */
import assert from "node:assert/strict";
import { MxRouter, type RouterSettings } from "../route/mx-router.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { RouteResult } from "../route/router.ts";
import type { StaticRoute } from "../route/static-route.ts";
import { type PublishedPolicy, TlsPolicy } from "../route/tls-policy.ts";
import { CollectingLog } from "./collecting-log.ts";
import { ManualClock } from "./manual-clock.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StaticResolver } from "./static-resolver.ts";

/** An address of this machine. */
export const ours = "198.51.100.1";

/** A router over a DNS of records; the machine is mail.own.test and listens on port 25. */
export function routingWorld(
  settings: Partial<RouterSettings> = {},
  options: { readonly secure?: boolean; readonly published?: readonly PublishedPolicy[] } = {},
) {
  const dns = new StaticResolver({ secure: options.secure ?? false });
  const clock = new ManualClock();
  const log = new CollectingLog();
  const defaults: RouterSettings = {
    routes: [],
    isLocalDomain: (domain) => domain === "local.test",
    maildirPath: "/data/mail/{domain}/{user}/Maildir",
    port: 25,
    allowPrivate: false,
    own: {
      names: ["mail.own.test"],
      listeners: [{ address: "::", port: 25 }],
      interfaceAddresses: () => [ours, "2001:db8:1::1", "127.0.0.1", "::1", "fe80::1%eth0"],
    },
  };
  const router = new MxRouter({
    resolver: dns,
    clock,
    random: new SeededRandom(3),
    log,
    settings: { ...defaults, ...settings },
    tlsPolicy: new TlsPolicy(options.published),
  });
  const route = (domain: string, address = `ann@${domain}`) => router.route({ address, domain });
  return { dns, clock, log, router, route, defaults };
}

export function withRoutes(...routes: StaticRoute[]) {
  return routingWorld({ routes });
}

/** The hop over SMTP, which the test expects. */
export function smtp(result: RouteResult): NextHop & { kind: "smtp" } {
  assert.equal(result.kind, "hop", JSON.stringify(result));
  assert.ok(result.kind === "hop" && result.hop.kind === "smtp");
  return result.hop;
}

export function names(result: RouteResult): string[] {
  return smtp(result).hosts.map(({ name }) => name);
}

/** What is demanded of the only host. */
export function demanded({ hosts: [host, second] }: NextHop & { kind: "smtp" }): string | undefined {
  assert.equal(second, undefined);
  return host?.tls.demand.kind;
}

/** `bounced 5.1.2 recipient`. */
export function verdict(result: RouteResult): string {
  return result.kind === "hop" ? `hop ${result.hop.description}` : `${result.kind} ${result.status} ${result.owner}`;
}
