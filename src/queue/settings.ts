/**
 * The `[queue]` section of the configuration: how often recipients are tried again, when their sender is warned, when
 * they are given up, and how much of the queue is in memory at once. Everything here applies on reload to mail that is
 * already queued: the schedule is looked up at each outcome, never stored with the message.
 */
import { z } from "zod";
import { duration } from "../lib/setting-types.ts";

export const queueSettings = z
  .strictObject({
    retry: z
      .array(duration({ minMs: 1_000, maxMs: 7 * 86_400_000 }))
      .min(1)
      // 64 steps are more than anybody tunes by hand; the list travels with every claim.
      .max(64)
      .prefault(["5m", "10m", "20m", "40m", "1h", "2h", "4h"])
      .describe(
        "Waits between attempts after temporary failures; the last one repeats, each is spread by ±20 %. RFC 5321 §4.5.4.1. Applies on reload, also to queued mail.",
      ),
    warn_after: duration()
      .prefault("4h")
      .describe(
        "Age at which the sender gets one warning that a recipient is delayed (RFC 3461 §5.2.5); 0s turns the warning off. Applies on reload.",
      ),
    expire: duration({ maxMs: 366 * 86_400_000 })
      .prefault("5d")
      .describe(
        "Age at which a recipient that still fails is given up and reported; the last attempt is made at that age. RFC 5321 §4.5.4.1 asks for 4 to 5 days. Applies on reload, also to queued mail.",
      ),
    deliveries: z
      .int()
      .min(1)
      .max(10_000)
      .default(500)
      .describe(
        "Deliveries under way at once to other servers, all sites together. A quarter is kept for sites that answered promptly within the last hour. Applies on reload.",
      ),
    deliveries_per_site: z
      .int()
      .min(1)
      .max(1_000)
      .default(20)
      .describe(
        "Deliveries under way at once to one SMTP site (the domains that share one set of MX hosts); lowered for a while when the site answers 421. One IP address gets twice as many, however many sites it serves. Applies on reload.",
      ),
    recipients_per_transaction: z
      .int()
      .min(1)
      .max(1_000)
      .default(100)
      .describe(
        "Recipients sent in one transaction; the others of the message follow in further ones. Every server takes 100 (RFC 5321 §4.5.3.1.8). Applies on reload.",
      ),
    ready: z
      .int()
      .min(10)
      .max(100_000)
      .default(2_000)
      .describe(
        "Recipients in memory at once; all others wait on disk, however many. Half are for fresh mail, half for what is tried again; one site gets a third of either at most. Applies on reload.",
      ),
    hop_limit: z
      .int()
      .min(10)
      .max(1_000)
      .default(100)
      .describe(
        "Received fields with which a message counts as looping and fails with 5.4.6, as it does with five of our own. RFC 5321 §6.3. Applies on reload.",
      ),
    loop_limit: z
      .int()
      .min(0)
      .max(10_000)
      .default(20)
      .describe(
        "Messages that have been here before (that bear our Received field) from one sender to one recipient within loop_window after which further ones are held for a person. Automatic mail, and mail with the null reverse-path, is never held: beyond five times as much it is deferred once; a stranger's counts only where SPF or DMARC shows whose it is. 0 turns both off. Applies on reload.",
      ),
    loop_window: duration({ minMs: 1_000, maxMs: 86_400_000 })
      .prefault("10m")
      .describe("Time over which loop_limit counts. Applies on reload."),
  })
  .describe("When each recipient is tried, and how much is in memory.");

/** Durations in milliseconds. */
export type QueueSettings = z.output<typeof queueSettings>;
