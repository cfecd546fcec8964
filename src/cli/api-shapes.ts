/** What the API answers, as far as commands read it. `--json` passes answers on whole. */
import { z } from "zod";

export const queuedRecipient = z.object({
  message: z.string(),
  index: z.number(),
  from: z.string(),
  to: z.string(),
  accepted_as: z.string(),
  state: z.string(),
  attempts: z.number(),
  due: z.string(),
  last_reply: z.string().nullable(),
  held: z.object({ by: z.string(), reason: z.string() }).nullable(),
  received_at: z.string(),
  size: z.number(),
  subject: z.string().nullable(),
});
export type QueuedRecipient = z.output<typeof queuedRecipient>;

export const queuePage = z.object({ recipients: z.array(queuedRecipient), next: z.string().nullable() });

export const queueCounts = z.object({
  scheduled: z.number(),
  claimed: z.number(),
  held: z.number(),
  oldest_seconds: z.number(),
});

export const countAnswer = z.object({ count: z.number(), more: z.boolean().optional() });

export const userList = z.object({
  users: z.array(z.object({ address: z.string(), source: z.enum(["file", "data"]) })),
});

export const capturedListing = z.object({
  id: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  subject: z.string(),
  received_at: z.string(),
  size: z.number(),
});
export const capturedPage = z.object({ messages: z.array(capturedListing) });

export const capturedMessage = capturedListing.extend({
  text: z.string().nullish(),
  html: z.string().nullish(),
  links: z.array(z.string()).default([]),
  codes: z.array(z.string()).default([]),
});
