/** The policies of a server. A reload changes where their settings stand; the limits themselves are the admission's. */
import { originOfSettings } from "../../config/setting-origin.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { builtInStages, type PolicyServices } from "../../policy/built-in-stages.ts";
import { Blocklists } from "../../policy/blocklists/blocklists.ts";
import { GreylistStore } from "../../policy/greylisting/greylist-store.ts";
import { Greylist } from "../../policy/greylisting/greylist.ts";
import type { Greylisting } from "../../policy/greylisting/greylisting-stage.ts";
import { PolicyChain } from "../../policy/policy-chain.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

/** `store` absent, in development: nobody asks who the client is. */
export async function openPolicy(
  opening: Opening,
  { store, ...services }: Omit<PolicyServices, "blocklists" | "greylisting"> & { readonly store?: Store },
): Promise<PolicyChain> {
  const { settings, ports, parts } = opening;
  const asking = store && (await openClientChecks(opening, store));
  const stages = [...(ports.stages ?? []), ...builtInStages({ ...services, ...asking })];
  const policy = new PolicyChain(stages, originOfSettings(settings));
  parts.add({ name: "policy", view: originOfSettings, prepare: (next) => () => policy.reconfigure(next) });
  return policy;
}

async function openClientChecks(
  opening: Opening,
  store: Store,
): Promise<Pick<PolicyServices, "blocklists" | "greylisting">> {
  const blocklists = openBlocklists(opening);
  return { blocklists, greylisting: await openGreylisting(opening, store, blocklists) };
}

async function openGreylisting(
  { settings, ports: { resolver, clock, log }, parts }: Opening,
  { spool }: Store,
  blocklists: Blocklists,
): Promise<Greylisting> {
  const view = ({ greylisting }: Settings) => greylisting;
  const { get, prepare } = new InForce(view(settings));
  const store = new GreylistStore(spool);
  const greylist = new Greylist({
    waitMs: settings.greylisting.wait,
    clock,
    // What cannot be written is in memory until the next restart.
    known: (key, at) => {
      store.put(key, at).catch((error: unknown) => logTrouble(log, "storing a known sender", error));
    },
  });
  greylist.restore(await store.read());
  parts.add({
    name: "greylisting",
    view,
    prepare: (next) => {
      const apply = prepare(next);
      return () => {
        apply();
        greylist.reconfigure(next.wait);
      };
    },
  });
  return { settings: get, greylist, blocklists, resolver, clock };
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
