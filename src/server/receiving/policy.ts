/** The policies of a server. A reload changes where their settings stand; the limits themselves are the admission's. */
import { originOfSettings } from "../../config/setting-origin.ts";
import { builtInStages, type PolicyServices } from "../../policy/built-in-stages.ts";
import { PolicyChain } from "../../policy/policy-chain.ts";
import type { Opening } from "../plan/part.ts";

export function openPolicy({ settings, ports, parts }: Opening, services: PolicyServices): PolicyChain {
  const policy = new PolicyChain([...(ports.stages ?? []), ...builtInStages(services)], originOfSettings(settings));
  parts.add({ name: "policy", view: originOfSettings, prepare: (next) => () => policy.reconfigure(next) });
  return policy;
}
