/** The captured mail over HTTP, with the call that waits for a message. */
import { type Context, Hono } from "hono";
import type { Inbox, InboxQuery } from "./inbox.ts";

const defaultWaitMs = 30_000;
/** Proxies and clients give up on a silent request about here. */
const waitMsMax = 300_000;

export function inboxApi(inbox: Inbox): Hono {
  const app = new Hono();

  app.get("/", async (context) => context.json({ messages: await inbox.list(queryOf(context)) }));

  app.delete("/", async (context) => context.json({ deleted: await inbox.clear() }));

  app.get("/wait", async (context) => {
    const timeoutMs = parseWait(context.req.query("timeout"));
    if (timeoutMs === undefined) {
      return context.json({ error: "timeout takes a number of seconds, as 30 or 30s, up to 300s" }, 400);
    }
    const found = await inbox.wait(queryOf(context), { timeoutMs, signal: context.req.raw.signal });
    return found
      ? context.json(found)
      : context.json({ error: `no matching message arrived within ${timeoutMs / 1000} s` }, 408);
  });

  app.get("/:id", async (context) => {
    const message = await inbox.get(context.req.param("id"));
    return message ? context.json(message) : notFound(context);
  });

  app.get("/:id/raw", async (context) => {
    const raw = await inbox.raw(context.req.param("id"));
    if (!raw) return notFound(context);
    return context.body(new Uint8Array(raw), 200, {
      "content-type": "message/rfc822",
      // A browser shows it as a file, never as a page of ours.
      "content-disposition": `attachment; filename="${context.req.param("id")}.eml"`,
      "x-content-type-options": "nosniff",
    });
  });

  app.delete("/:id", async (context) =>
    (await inbox.delete(context.req.param("id"))) ? context.json({ deleted: 1 }) : notFound(context),
  );

  return app;
}

function notFound(context: Context): Response {
  return context.json({ error: "no captured message has this id" }, 404);
}

function queryOf(context: Context): InboxQuery {
  const { to, from, subject, after } = context.req.query();
  return {
    ...(to ? { to } : {}),
    ...(from ? { from } : {}),
    ...(subject ? { subject } : {}),
    ...(after ? { after } : {}),
  };
}

/** `30`, `30s`, `500ms`, `2m`; undefined when it is none of these. */
function parseWait(text: string | undefined): number | undefined {
  if (text === undefined) return defaultWaitMs;
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text);
  if (!match) return undefined;
  const milliseconds = Number(match[1]) * { ms: 1, s: 1000, m: 60_000 }[(match[2] ?? "s") as "ms" | "s" | "m"];
  return milliseconds <= waitMsMax ? milliseconds : undefined;
}
