/** Where mail goes next, and which TLS its hosts have to give. */
import { publishedPolicySettings, routerSettings } from "../../config/settings-views.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { MxRouter } from "../../route/mx-router.ts";
import { PublishedPolicies } from "../../route/published-policies.ts";
import { spoolPolicyStore } from "../../route/spool-policy-store.ts";
import { TlsPolicy } from "../../route/tls-policy.ts";
import type { TlsSessionRecorder } from "../../tls-rpt/session-note.ts";
import type { Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export function openRouting(
  { settings, ports, parts }: Opening,
  { spool }: Pick<Store, "spool">,
  tlsSessions?: TlsSessionRecorder,
): MxRouter {
  const { resolver, policyFetcher: fetcher, clock, random, log, interfaceAddresses } = ports;
  const toProgram = ports.program !== undefined;
  const view = (all: Settings) => ({
    router: routerSettings(all, { interfaceAddresses, toProgram }),
    published: publishedPolicySettings(all),
  });
  const current = view(settings);
  const store = spoolPolicyStore(spool);
  const publishing = { resolver, fetcher, store, clock, log, tlsSessions };
  const published = new PublishedPolicies(publishing, current.published);
  const tlsPolicy = new TlsPolicy(published.list);
  const router = new MxRouter({ resolver, clock, random, log, settings: current.router, tlsPolicy });
  const prepare = (next: ReturnType<typeof view>) => () => {
    published.reconfigure(next.published);
    router.reconfigure(next.router);
  };
  parts.add({ name: "routing", view, prepare });
  return router;
}
