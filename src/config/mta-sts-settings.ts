/** The `[mta_sts]` section: the policy that our own domains publish about TLS to their mail servers. */
import { z } from "zod";
import { duration, listenAddress } from "../lib/setting-types.ts";
import { isMxPattern, maxAgeSecondsMax } from "../mta-sts/sts-policy.ts";

export const mtaStsSettings = z
  .strictObject({
    mode: z
      .enum(["enforce", "testing", "none"])
      .optional()
      .describe(
        "What senders are to do where TLS to a mail host of `mx` fails: `enforce` sends no mail then, `testing` only reports it, `none` withdraws the policy. Default: there is no policy. Begin with `testing`. Applies on reload. (RFC 8461 §5)",
      ),
    mx: z
      .array(z.string().refine(isMxPattern, 'write a host name, or "*." and a name'))
      .min(1)
      .max(50)
      .optional()
      .describe(
        "The mail hosts of all domains of this server, as their MX records name them; `*.` stands for one label. Default: `hostname`. Applies on reload.",
      ),
    max_age: duration({ minMs: 86_400_000, maxMs: maxAgeSecondsMax * 1000 })
      .prefault("14d")
      .describe("How long senders keep the policy. Applies on reload."),
    listen: listenAddress()
      .refine(({ kind }) => kind === "ip", 'write an IP address with a port, "[::]:443"')
      .optional()
      .describe(
        "Address and port on which the server answers HTTPS for `mta-sts.DOMAIN` of each of its domains, with the policy and nothing else; its certificate has to be for these names. Senders ask port 443. Default: it does not, and another web server serves what `posthaste check dns` prints. A reload does not change it.",
      ),
  })
  .describe("The MTA-STS policy of this server's own domains.");
