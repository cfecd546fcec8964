/** The `[inbox]` section: how much captured mail is kept, and for how long. */
import { z } from "zod";
import { duration } from "../lib/setting-types.ts";

export const inboxSettings = z
  .strictObject({
    messages: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1_000)
      .describe(
        "How many captured messages are kept; when there are more, the server deletes the oldest. Applies on reload.",
      ),
    keep: duration({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("7d")
      .describe("How long captured messages are kept. Their history is kept for `history.keep`. Applies on reload."),
  })
  .describe('Captured mail (`via = "capture"`, and everything in `posthaste dev`).');

export type InboxSettings = z.output<typeof inboxSettings>;
