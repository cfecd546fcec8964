/** The `[outbound]` section: how we connect to others. */
import { z } from "zod";
import { parseIpAddress } from "../address/ip-address.ts";

export const outboundSettings = z
  .strictObject({
    port: z
      .int()
      .min(1)
      .max(65_535)
      .default(25)
      .describe("Port of other servers' MX hosts; others than 25 serve tests. Applies on reload."),
    bind: z
      .array(z.string().refine((text) => parseIpAddress(text) !== undefined, "write an IP address of this machine"))
      .max(64)
      .default([])
      .describe(
        "Own addresses to connect from, one for each family is taken. Default: the system chooses. Applies on reload.",
      ),
    allow_private: z
      .boolean()
      .default(false)
      .describe(
        "Whether MX hosts on loopback or private addresses are used. A route's own host always is. Applies on reload.",
      ),
  })
  .describe("Connections to other servers.");

export type OutboundSettings = z.output<typeof outboundSettings>;
