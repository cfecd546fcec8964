/** The queue over HTTP: counts, listing, and the bulk verbs, which act on a filter and never on an empty one. */
import { Hono } from "hono";
import { z } from "zod";
import type { Wait } from "../history/explain.ts";
import type { FoundRecipient, OperatorVerb, RecipientFilter, Spool } from "../spool/spool.ts";
import { noteChange } from "./command-log.ts";
import { jsonBody, sentenceOf } from "./json-body.ts";

const states = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;

/** As query of the listing and as body of the bulk verbs. */
const filterSchema = z.strictObject({
  message: z.string().optional().describe("Queue id."),
  from: z.string().optional().describe("Reverse-path, whole, without regard to letter case."),
  to: z.string().optional().describe("Recipient, or the alias it was given as; whole, without regard to letter case."),
  domain: z.string().optional().describe("Recipient's domain."),
  state: z
    .union([z.enum(states), z.array(z.enum(states))], `state is one of ${states.join(", ")}, or a list of them`)
    .optional()
    .describe("State or states; default: all that are not final."),
});

const bulkSchema = filterSchema.extend({
  all: z.literal(true).optional().describe("Confirms that an empty filter is intended."),
  dry_run: z.boolean().optional().describe("Only counts."),
  reason: z.string().max(500).optional().describe("For hold: why."),
});

/** How far a dry run counts before it says so. */
const countedMax = 100_000;

export interface QueueApiDependencies {
  readonly spool: Spool;
  /** Absent where no server runs: nothing is in memory then, and the spool alone is changed. */
  readonly operate?: (
    verb: OperatorVerb,
    filter: RecipientFilter,
    by: string,
    reason: string,
  ) => Promise<{ readonly changed: number; readonly underWay: number }>;
  /** Why the recipient is where it is, and until when it waits. */
  readonly waitOf: (found: FoundRecipient) => Wait;
  /** What runs per site just now, for people. */
  readonly sites: () => unknown;
}

export function queueApi({ spool, sites, waitOf, operate = onSpool(spool) }: QueueApiDependencies): Hono {
  const app = new Hono();

  app.get("/stats", async (context) => {
    const { scheduled, claimed, held, oldestSeconds } = await spool.stats();
    return context.json({ scheduled, claimed, held, oldest_seconds: oldestSeconds });
  });

  app.get("/sites", (context) => context.json({ sites: sites() }));

  app.get("/", async (context) => {
    const { limit: limitText, after, ...rest } = context.req.query();
    const parsed = filterSchema.safeParse(rest);
    const limit = Math.min(1000, Math.max(1, Number(limitText ?? 100) || 100));
    if (!parsed.success) return context.json({ error: sentenceOf(parsed.error) }, 400);
    const [message, index] = (after ?? "").split("/");
    const found = await spool.find(toFilter(parsed.data), {
      limit,
      ...(message && { after: { message, index: Number(index ?? 0) || 0 } }),
    });
    const last = found.at(-1);
    return context.json({
      recipients: found.map((one) => recipientJson(one, waitOf(one))),
      next: found.length === limit && last ? `${last.message.id}/${last.recipient.index}` : null,
    });
  });

  app.post("/:verb{retry|hold|release|remove}", async (context) => {
    const { all, dry_run: dryRun, reason, ...given } = await jsonBody(context.req, bulkSchema);
    if (Object.values(given).every((value) => value === undefined) && all !== true) {
      return context.json({ error: "an empty filter would select the whole queue; name a filter, or say `all`" }, 400);
    }
    const filter = toFilter(given);
    if (dryRun) {
      noteChange(context, false);
      return context.json(await countMatches(spool, filter));
    }
    const verb = context.req.param("verb") as OperatorVerb;
    const { changed, underWay } = await operate(verb, filter, "operator", reason ?? "asked for by an operator");
    noteChange(context, { filter: given, ...(reason !== undefined && { reason }), count: changed, underWay });
    return context.json({ count: changed, under_way: underWay });
  });

  return app;
}

function onSpool(spool: Spool): NonNullable<QueueApiDependencies["operate"]> {
  return async (verb, filter, by, reason) => {
    const changed = verb === "hold" ? spool.hold(filter, by, reason) : spool[verb](filter, by);
    return { changed: await changed, underWay: 0 };
  };
}

function toFilter({ state, ...rest }: z.infer<typeof filterSchema>): RecipientFilter {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...given, ...(state !== undefined && { states: Array.isArray(state) ? state : [state] }) };
}

async function countMatches(spool: Spool, filter: RecipientFilter): Promise<{ count: number; more: boolean }> {
  let count = 0;
  let after: { readonly message: string; readonly index: number } | undefined;
  while (count < countedMax) {
    const page = await spool.find(filter, { limit: 1000, ...(after !== undefined && { after }) });
    count += page.length;
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) return { count, more: false };
    after = { message: last.message.id, index: last.recipient.index };
  }
  return { count, more: true };
}

function recipientJson({ message, recipient }: FoundRecipient, wait: Wait): Record<string, unknown> {
  return {
    message: message.id,
    index: recipient.index,
    from: message.reversePath,
    to: recipient.address,
    accepted_as: recipient.acceptedAs ?? recipient.address,
    state: recipient.state,
    attempts: recipient.attempts,
    due: new Date(recipient.due).toISOString(),
    last_reply: recipient.lastReply ?? null,
    held: recipient.held ?? null,
    why: wait.why,
    waits_at: wait.at ?? null,
    waits_until: wait.until === undefined ? null : new Date(wait.until).toISOString(),
    received_at: new Date(message.receivedAt).toISOString(),
    size: message.size,
    subject: message.facts.subject ?? null,
  };
}
