/** The API on its two places: the control socket, whose file mode guards it, and `admin.listen`, behind the guard. */
import { type AdminDependencies, adminApp } from "../../admin/app.ts";
import { guardSettings } from "../../admin/guard.ts";
import { controlSocketOf } from "../../cli/control-socket.ts";
import type { ReloadResult } from "../../cli/running-server.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { explain, waitOf } from "../../history/explain.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import type { NotReady } from "../../policy/readiness.ts";
import type { Queue } from "../../queue/queue.ts";
import type { HeldMailKeeper } from "../../reporting/held-mail-keeper.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { HttpServer } from "../../ports/http-server.ts";
import type { ServerPorts } from "../plan/server-ports.ts";
import { startError } from "../plan/start-error.ts";
import type { Store } from "../store/store.ts";

export interface HttpServices extends Pick<
  AdminDependencies,
  "inbox" | "users" | "signIn" | "dkim" | "bans" | "routeLogins" | "acme"
> {
  readonly store: Store;
  readonly queue: Queue;
  readonly heldMail: HeldMailKeeper;
  /** Why mail that came now could not be stored; empty: it could. */
  readonly notReady: () => readonly NotReady[];
  readonly clientsAreHidden: () => boolean;
  readonly reload: () => Promise<ReloadResult>;
  /** Asked of who comes by an address, unless the configuration has one. */
  readonly token?: string | undefined;
}

/** Gives the address at which it listens. */
export async function openHttpSide(opening: Opening, services: HttpServices): Promise<Endpoint> {
  const { settings, ports, parts } = opening;
  const api = apiOf(opening, services);
  const control = await serve(
    ports,
    "control",
    { kind: "unix", path: controlSocketOf(settings.data_dir) },
    adminApp(api, undefined).fetch,
  );
  parts.add({ name: "control", stop: () => control.close() });
  const view = (all: Settings) => guardSettings(all, services.token);
  let app = adminApp(api, view(settings));
  parts.add({
    name: "guard",
    view,
    prepare: (next) => {
      const guarded = adminApp(api, next);
      return () => {
        app = guarded;
      };
    },
  });
  const admin = await serve(ports, "admin", settings.admin.listen, (request) => app.fetch(request));
  parts.add({ name: "admin", stop: () => admin.close() });
  return admin.endpoint;
}

function apiOf(
  { settings, ports: { clock, log, version }, parts }: Opening,
  services: HttpServices,
): AdminDependencies {
  const { store, queue, heldMail, notReady, token: _, ...more } = services;
  const { spool } = store;
  const view = ({ queue: { expire: expireMs } }: Settings) => ({ expireMs });
  const { get, prepare } = new InForce(view(settings));
  let isStopping = false;
  parts.add({
    name: "api",
    view,
    prepare,
    drain: () => {
      isStopping = true;
    },
  });
  const whereabouts = queue.whereabouts.bind(queue);
  const asked = () => ({ now: clock.now(), ...get(), whereabouts });
  return {
    ...more,
    log,
    version,
    spool,
    siteControl: queue.sites,
    operate: queue.operate.bind(queue),
    sites: () => ({ queue: queue.stats(), sites: queue.sites.list() }),
    explain: (id) => explain(spool, id, asked()),
    waitOf: ({ message, recipient }) => waitOf(message, recipient, asked()),
    // A server that cannot store mail or outcomes refuses mail as one does that is about to stop.
    notReady: () => [
      ...(isStopping ? [{ cause: "stopping" } as const] : []),
      ...notReady(),
      ...(queue.stats().paused === undefined ? [] : [{ cause: "queue-paused" } as const]),
    ],
    heldMail: () => heldMail.held,
  };
}

async function serve(
  ports: ServerPorts,
  part: string,
  endpoint: Endpoint,
  fetch: Parameters<ServerPorts["serveHttp"]>[1],
): Promise<HttpServer> {
  try {
    return await ports.serveHttp(endpoint, fetch);
  } catch (error) {
    throw startError(error, part, endpoint);
  }
}
