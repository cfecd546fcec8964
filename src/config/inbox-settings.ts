/** The `[inbox]` section: how much captured mail is kept, and how long. */
import { z } from "zod";
import { duration } from "../lib/setting-types.ts";

export const inboxSettings = z
  .strictObject({
    messages: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1_000)
      .describe("Captured messages kept; the oldest are deleted when there are more. Applies on reload."),
    keep: duration({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("7d")
      .describe("How long captured messages are kept. Their history stays for `history.keep`. Applies on reload."),
  })
  .describe('Captured mail (`via = "capture"`, and everything in `posthaste dev`).');

export type InboxSettings = z.output<typeof inboxSettings>;
