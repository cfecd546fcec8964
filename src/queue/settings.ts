/**
 * The `[queue]` section of the configuration: how often recipients are tried again, when their sender is warned, when
 *     they are given up, and how much of the queue is in memory at once. Everything here applies on reload to mail that is
 * already queued: the schedule is looked up at each outcome, never stored with the message.
 */
import { z } from "zod";
import { duration } from "../lib/setting-types.ts";

export const queueSettings = z
  .strictObject({
    retry: z
      .array(duration({ minMs: 1_000, maxMs: 7 * 86_400_000 }))
      .min(1)
      // 64 steps are more than anyone tunes by hand; the list travels with every claim.
      .max(64)
      .prefault(["5m", "10m", "20m", "40m", "1h", "2h", "4h"])
      .describe(
        "Waits between attempts after temporary failures. The last one repeats; each varies at random by ±20 %. RFC 5321 §4.5.4.1. Applies on reload, also to queued mail.",
      ),
    warn_after: duration()
      .prefault("4h")
      .describe(
        "Age of a message at which its sender gets one warning about recipients that are still delayed (RFC 3461 §5.2.5); 0s turns the warning off. Applies on reload.",
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
        "Deliveries to other servers at the same time, all sites together. A quarter of them is reserved for sites that answered promptly within the last hour. Applies on reload.",
      ),
    deliveries_per_site: z
      .int()
      .min(1)
      .max(1_000)
      .default(20)
      .describe(
        "Deliveries to one SMTP site at the same time (a site is all domains that share one set of MX hosts). The server lowers it for a while when the site answers 421. One IP address gets twice as many, however many sites it serves. Applies on reload.",
      ),
    recipients_per_transaction: z
      .int()
      .min(1)
      .max(1_000)
      .default(100)
      .describe(
        "Recipients sent in one transaction; the other recipients of the message follow in further transactions. Every server accepts 100 (RFC 5321 §4.5.3.1.8). Applies on reload.",
      ),
    ready: z
      .int()
      .min(10)
      .max(100_000)
      .default(2_000)
      .describe(
        "Recipients in memory at the same time; all others wait on disk, however many there are. Half of this room is for new mail and half for retries; one site gets at most a third of either. Applies on reload.",
      ),
    hop_limit: z
      .int()
      .min(10)
      .max(1_000)
      .default(100)
      .describe(
        "Number of Received fields at which a message is considered to be in a mail loop and fails with 5.4.6; five that this server wrote are enough. RFC 5321 §6.3. Applies on reload.",
      ),
    loop_limit: z
      .int()
      .min(0)
      .max(10_000)
      .default(20)
      .describe(
        "Messages that have passed through this server before (they carry its Received field) from one sender to one recipient within loop_window. Further ones are held until an operator releases them. Automatic mail and mail with the null reverse-path are never held: beyond five times this number, they are deferred once. Mail from strangers counts only if SPF or DMARC confirms its sender. 0 turns both off. Applies on reload.",
      ),
    loop_window: duration({ minMs: 1_000, maxMs: 86_400_000 })
      .prefault("10m")
      .describe("Time over which loop_limit counts. Applies on reload."),
  })
  .describe("When the server tries each recipient, and how much of the queue is in memory.");

/** Durations in milliseconds. */
export type QueueSettings = z.output<typeof queueSettings>;
