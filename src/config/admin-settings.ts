/** The `[admin]` section: where API and probes listen. */
import { z } from "zod";
import { listenAddress, secret } from "../lib/setting-types.ts";

export const adminSettings = z
  .strictObject({
    listen: listenAddress()
      .prefault("127.0.0.1:8025")
      .describe("Address and port of the API at `/api/v1`, `/healthz` and `/readyz`. A reload does not move it."),
    token: secret()
      .min(16, "a token needs at least 16 characters")
      .optional()
      .describe(
        "Bearer token that requests must carry. Without it `serve` makes one and keeps it in `data_dir/admin.token`; to listen beyond loopback it has to be set. On a unix socket none is asked for unless it is set. Applies on reload.",
      ),
    hostnames: z
      .array(z.string().min(1).max(255))
      .max(100)
      .default([])
      .describe(
        "Names, besides loopback ones and `hostname`, under which browsers may address it; other Host headers are refused (DNS rebinding). Applies on reload.",
      ),
  })
  .describe("The HTTP side: API at `/api/v1`, `/healthz`, `/readyz`.");

export type AdminSettings = z.output<typeof adminSettings>;
