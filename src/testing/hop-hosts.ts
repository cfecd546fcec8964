/** Hosts of a next hop, with a demand as the settings would make it. */
import type { HopHost, TlsDecision } from "../route/next-hop.ts";
import type { TlsLevel } from "../route/static-route.ts";
import { demandOf } from "../route/tls-policy.ts";

export function hopHost(name: string, addresses: readonly string[], level?: TlsLevel): HopHost {
  return { name, addresses, secure: false, tls: decided(name, level) };
}

/** Without a level: what is asked for where nothing asks. */
export function decided(name: string, level?: TlsLevel): TlsDecision {
  if (level === undefined) return { demand: { kind: "opportunistic" }, reason: { rule: "default" } };
  return { demand: demandOf(level, name), reason: { rule: "route-setting", setting: "route.tls" } };
}
