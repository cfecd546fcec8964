/** Access tokens by which routes log in, and the logins of `posthaste route login`. */
import type { Settings } from "../../config/settings-schema.ts";
import { AccessTokens } from "../../oauth/access-tokens.ts";
import { GrantStore } from "../../oauth/grant-store.ts";
import type { Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export function openRouteLogins({ settings, ports, parts }: Opening, { spool }: Pick<Store, "spool">): AccessTokens {
  const { clock, log, serviceClient: http } = ports;
  const view = ({ oauth }: Settings) => oauth.client;
  const tokens = new AccessTokens({ store: new GrantStore(spool), http, clock, log, clients: view(settings) });
  parts.add({ name: "route-logins", view, prepare: (next) => () => tokens.reconfigure(next) });
  return tokens;
}
