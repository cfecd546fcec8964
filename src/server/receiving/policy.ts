/** The policies of a server. A reload changes where their settings stand; the limits themselves are the admission's. */
import { originOfSettings } from "../../config/setting-origin.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { builtInStages, type PolicyServices } from "../../policy/built-in-stages.ts";
import { Blocklists } from "../../policy/blocklists/blocklists.ts";
import { PolicyChain } from "../../policy/policy-chain.ts";
import type { Opening } from "../plan/part.ts";

export function openPolicy(
  opening: Opening,
  services: Omit<PolicyServices, "blocklists"> & { readonly development?: true },
): PolicyChain {
  const { settings, ports, parts } = opening;
  const asking = services.development ? {} : { blocklists: openBlocklists(opening) };
  const stages = [...(ports.stages ?? []), ...builtInStages({ ...services, ...asking })];
  const policy = new PolicyChain(stages, originOfSettings(settings));
  parts.add({ name: "policy", view: originOfSettings, prepare: (next) => () => policy.reconfigure(next) });
  return policy;
}

function openBlocklists({ settings, ports: { resolver, clock, log }, parts }: Opening): Blocklists {
  const view = ({ blocklists }: Settings) => blocklists;
  const blocklists = new Blocklists({ resolver, clock, log }, view(settings));
  parts.add({
    name: "blocklists",
    view,
    prepare: (next) => () => blocklists.reconfigure(next),
    start: () => blocklists.start(),
    stop: () => blocklists.close(),
  });
  return blocklists;
}
