/** The `[greylisting]` section. */
import { z } from "zod";
import { duration } from "../../lib/setting-types.ts";

export const greylistingSettings = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe(
        "Whether mail from clients that look bad is deferred once with 451 4.7.1: those without a confirmed reverse name, without an SPF pass, or with entries in DNS lists. It delays some honest mail. Applies on reload.",
      ),
    wait: duration({ minMs: 1000, maxMs: 3_600_000 })
      .prefault("5m")
      .describe("After which time a retry is accepted. Applies on reload."),
    list_score: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1)
      .describe("The score of [blocklists] from which a client looks bad. Applies on reload."),
  })
  .describe("Deferring the first mail of clients that look bad; see docs/abuse.md.");

export type GreylistingSettings = z.output<typeof greylistingSettings>;
