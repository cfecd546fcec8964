/** Sites over HTTP: what goes on at each, why and until when one rests, and an operator's orders to rest or to wake. */
import { Hono, type Context } from "hono";
import { z } from "zod";
import { duration } from "../lib/setting-types.ts";
import type { SiteControl, SiteShown } from "../queue/site-control.ts";
import { noteChange } from "./command-log.ts";
import { BodyError, jsonBody } from "./json-body.ts";

const dayMs = 86_400_000;

const restBody = z.strictObject({
  site: z.string().min(1).max(1_000),
  for: duration({ minMs: 1_000, maxMs: 7 * dayMs }),
  reason: z.string().min(1).max(500),
});
const wakeBody = restBody.pick({ site: true });

/** `control` absent: no server runs. */
export function sitesApi(control: SiteControl | undefined): Hono {
  const app = new Hono();
  if (control === undefined) {
    app.all("*", (context) => context.json({ error: "no server runs, so there is nothing to know of sites" }, 503));
    return app;
  }

  app.get("/", (context) => {
    const sites = control.list({ all: context.req.query("all") === "true" });
    return context.json({ sites: sites.map(siteJson) });
  });

  app.get("/show", async (context) => {
    const site = await control.show(context.req.query("site") ?? "");
    return site === undefined ? unknown(context) : context.json(siteJson(site));
  });

  app.post("/rest", async (context) => {
    const { site: name, for: ms, reason } = await jsonBody(context.req, restBody);
    const site = await control.rest(name, { ms, by: "operator", reason });
    if (site === "too-many") return context.json({ error: "too many sites rest by order; wake one of them" }, 409);
    if (site === undefined) return unknown(context);
    noteChange(context, { site: site.site, reason });
    return context.json(siteJson(site));
  });

  app.post("/wake", async (context) => {
    const { site: name } = await jsonBody(context.req, wakeBody);
    const woken = await control.wake(name, "operator");
    if (woken === undefined) return unknown(context);
    noteChange(context, { site: woken.site.site, retried: woken.retried });
    return context.json({ ...siteJson(woken.site), retried: woken.retried });
  });

  app.onError((error, context) => {
    if (error instanceof BodyError) return context.json({ error: error.message }, 400);
    throw error;
  });

  return app;
}

function unknown(context: Context): Response {
  const error =
    "no site has this name, and no mail to such a domain has a route now; GET /api/v1/sites lists the names";
  return context.json({ error }, 404);
}

function siteJson(site: SiteShown): Record<string, unknown> {
  const time = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString());
  return {
    site: site.site,
    description: site.description,
    waiting: site.ready,
    running: site.running,
    limit: site.limit,
    normal_limit: site.normalLimit,
    limited_until: time(site.limitedUntil),
    resting_until: time(site.restingUntil),
    rest_reason: site.restingUntil === undefined ? null : (site.restReason ?? "it could not be reached"),
    waits_for: site.wait?.reason ?? null,
    waits_until: time(site.wait?.until),
    last_reply: site.lastReply ?? null,
  };
}
