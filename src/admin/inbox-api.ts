/** The captured mail over HTTP, with the call that waits for a message. */
import { type Context, Hono } from "hono";
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { noteChange } from "./command-log.ts";
import { CursorError, type Inbox, type InboxMessage, listingOf } from "./inbox.ts";
import { describeFilter, type InboxQuery, parseInboxQuery, QueryError, refuseQuery } from "./inbox-query.ts";
import type { WaitOutcome } from "./inbox-waits.ts";
import { ReadingError } from "./message-reading.ts";

export function inboxApi(inbox: Inbox): Hono {
  const app = new Hono();

  app.get("/", async (context) => {
    const { filter, limit, ...range } = parseInboxQuery(context.req.url, ["after", "before", "limit"]);
    return context.json(await inbox.list(filter, range, limit));
  });

  app.delete("/", async (context) => {
    const { filter } = parseInboxQuery(context.req.url, []);
    const deleted = await inbox.delete({ filter });
    noteChange(context, { filter, deleted });
    return context.json({ deleted });
  });

  app.get("/wait", async (context) => {
    const query = parseInboxQuery(context.req.url, ["after", "count", "timeout"]);
    return await answerWait(context, inbox, query);
  });

  app.get("/:id", async (context) => {
    refuseQuery(context.req.url);
    const message = await inbox.get(idOf(context));
    return message ? context.json(message) : notFound(context);
  });

  app.get("/:id/raw", async (context) => {
    refuseQuery(context.req.url);
    const raw = await inbox.raw(idOf(context));
    if (!raw) return notFound(context);
    return file(context, { content: raw, type: "message/rfc822", filename: `${idOf(context)}.eml` });
  });

  app.get("/:id/attachments/:index", async (context) => {
    refuseQuery(context.req.url);
    const index = context.req.param("index");
    const attachment = /^\d{1,4}$/.test(index) ? await inbox.attachment(idOf(context), Number(index)) : undefined;
    return attachment
      ? file(context, attachment)
      : context.json({ error: "no captured message has this id and an attachment of this number" }, 404);
  });

  app.delete("/:id", async (context) => {
    refuseQuery(context.req.url);
    if ((await inbox.delete({ id: idOf(context) })) === 0) return notFound(context);
    noteChange(context, { deleted: 1 });
    return context.json({ deleted: 1 });
  });

  app.onError((error, context) => {
    if (error instanceof ReadingError) return context.json({ error: error.message }, 422);
    if (error instanceof QueryError || error instanceof CursorError) return context.json({ error: error.message }, 400);
    throw error;
  });

  return app;
}

/** Ids are capital letters and digits; people type them as they like. */
function idOf(context: Context): string {
  return asciiUpperCase(context.req.param("id") ?? "");
}

/** A browser saves it, and never shows it as a page of ours. */
function file(
  context: Context,
  { content, type, filename }: { readonly content: Uint8Array; readonly type: string; readonly filename: string },
): Response {
  const ascii = filename.replaceAll(/[^\w. -]/g, "_").slice(0, 200);
  const encoded = encodeURIComponent(filename.slice(0, 200).toWellFormed()).replaceAll(/['()*]/g, percentEncoded);
  return context.body(new Uint8Array(content), 200, {
    "content-type": /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(type) ? type : "application/octet-stream",
    "content-disposition": `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`,
    "x-content-type-options": "nosniff",
  });
}

/** What a parameter of Content-Disposition does not bear bare, and encodeURIComponent leaves. */
function percentEncoded(character: string): string {
  return `%${asciiUpperCase(character.charCodeAt(0).toString(16))}`;
}

function notFound(context: Context): Response {
  return context.json({ error: "no captured message has this id" }, 404);
}

async function answerWait(context: Context, inbox: Inbox, query: InboxQuery): Promise<Response> {
  const { filter, after, timeoutMs, count = 1 } = query;
  const { signal } = context.req.raw;
  const wanted = { filter, count, ...(after !== undefined && { after }), signal };
  const started = inbox.now();
  for (;;) {
    const left = Math.max(0, timeoutMs - (inbox.now() - started));
    const outcome = await inbox.wait({ ...wanted, timeoutMs: left });
    if (outcome.kind === "busy") return context.json({ error: "too many requests wait for mail already" }, 503);
    if (outcome.kind === "timed-out") return context.json(inVain(query, outcome), 504);
    const read = await Promise.all(outcome.ids.map((id) => inbox.get(id)));
    const messages = read.filter((message): message is InboxMessage => message !== undefined);
    // One that was deleted in this moment is waited for anew.
    if (messages.length < count) continue;
    return context.json(query.count === undefined ? messages[0] : { messages });
  }
}

/** Clients repeat a 408, and then wait three times as long; 504 they take for an answer. */
function inVain(
  { filter, timeoutMs, count = 1 }: InboxQuery,
  { matched, others, otherCount }: Extract<WaitOutcome, { kind: "timed-out" }>,
): Record<string, unknown> {
  const wanted = [count === 1 ? "no message" : `${matched.length} of ${count} messages`, describeFilter(filter)]
    .filter((words) => words !== "")
    .join(" ");
  const meanwhile = otherCount === 0 ? "nothing else did" : `${otherCount} other${otherCount === 1 ? "" : "s"} did`;
  return {
    error: `${wanted} arrived within ${timeoutMs / 1000} s; ${meanwhile}`,
    looked_for: filter,
    matched: matched.map(listingOf),
    // Newest first, as in the list.
    arrived: others.map(listingOf).toReversed(),
    arrived_count: otherCount,
  };
}
