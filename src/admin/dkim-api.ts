/** `/api/v1/dkim`: the keys that sign, what to publish for each, and what DNS said last. Private halves never leave. */
import { Hono } from "hono";
import { z } from "zod";
import { recordName } from "../dkim/signing-key.ts";
import { timeWords } from "../history/words.ts";
import { isoTime } from "../lib/instant.ts";
import { type KeyAdministration, KeyError, keyKinds, kindOf } from "../signing/key-administration.ts";
import type { StoredKey } from "../signing/key-store.ts";
import { recordForms } from "../signing/record-forms.ts";
import { noteChange } from "./command-log.ts";
import { jsonBody, sentenceOf } from "./json-body.ts";

export type DkimDirectory = Pick<KeyAdministration, "list" | "generate" | "rotate" | "remove">;

const domain = z.string().max(255);
const generateBody = z.strictObject({
  domain,
  selector: z.string().max(255).optional(),
  algorithm: z.enum([...keyKinds, "both"]).default("both"),
});
const rotateBody = z.strictObject({ domain });
/** `last`: also the only active key of its domain. */
const removeQuery = z.strictObject({ last: z.enum(["true", "false"]).default("false") });

export function dkimApi(keys: DkimDirectory): Hono {
  const app = new Hono();
  app.get("/keys", async (context) => {
    const listed = await keys.list(context.req.query("domain"));
    return context.json({ keys: listed.map(shownKey) });
  });
  app.post("/keys", async (context) => {
    const body = await jsonBody(context.req, generateBody);
    const { algorithm, selector } = body;
    const made = await keys.generate({
      domain: body.domain,
      kinds: algorithm === "both" ? keyKinds : [algorithm],
      ...(selector !== undefined && { selector }),
    });
    noteChange(context, { domain: body.domain, selectors: made.map((key) => key.selector) });
    return context.json({ keys: made.map(shownKey) }, 201);
  });
  app.post("/rotate", async (context) => {
    const body = await jsonBody(context.req, rotateBody);
    const made = await keys.rotate(body.domain);
    noteChange(context, { domain: body.domain, selectors: made.map(({ selector }) => selector) });
    return context.json({ keys: made.map(shownKey) }, 201);
  });
  app.delete("/keys/:domain/:selector", async (context) => {
    const { last } = removeQuery.parse(context.req.query());
    const { key, recordNeededUntil } = await keys.remove(context.req.param(), { last: last === "true" });
    noteChange(context, { domain: key.domain, selectors: [key.selector] });
    return context.json({
      removed: shownKey(key),
      record_needed_until: recordNeededUntil === undefined ? null : isoTime(recordNeededUntil),
    });
  });
  app.onError((error, context) => {
    if (error instanceof KeyError) return context.json({ error: error.message }, 409);
    if (error instanceof z.ZodError) return context.json({ error: sentenceOf(error) }, 400);
    throw error;
  });
  return app;
}

function shownKey(key: StoredKey) {
  const { state, dns, createdAt } = key;
  return {
    domain: key.domain,
    selector: key.selector,
    algorithm: kindOf(key),
    declared_in: key.declared === true ? "file" : "data",
    state: state.kind,
    since: isoTime(state.since),
    created_at: isoTime(createdAt),
    record: recordForms(recordName(key), key.record),
    dns:
      dns === undefined
        ? null
        : {
            at: isoTime(dns.at),
            said: dns.sighting.kind,
            detail: dns.sighting.kind === "seen" ? null : dns.sighting.detail,
          },
    next: nextStep(key),
  };
}

/** What to do, in a sentence. */
function nextStep({ state, domain: owner, declared }: StoredKey): string {
  switch (state.kind) {
    case "prepared":
      return "Publish the record. The server checks DNS for it and begins to sign once it finds it.";
    case "published":
      return `The record was seen; if it stays, mail is signed with the key from ${timeWords(state.activateAt)} on.`;
    case "active":
      return `Nothing to do: mail of ${owner} is signed with this key while its record is in DNS.`;
    case "vanished":
      return "The record is not in DNS: publish it; until it is seen, nothing is signed with this key.";
    case "retiring":
      return `Leave the record in DNS until ${timeWords(state.retireAt)}: mail signed with the key is still on its way.`;
    case "retired":
      return declared === true
        ? "Remove the record from DNS and the key from the configuration."
        : "Remove the record from DNS; the server forgets the key once the record has been removed.";
    default:
      return state satisfies never;
  }
}
