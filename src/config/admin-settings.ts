/** The `[admin]` section: where the API and the probes listen. */
import { z } from "zod";
import { listenAddress, secret } from "../lib/setting-types.ts";

export const adminSettings = z
  .strictObject({
    listen: listenAddress()
      .prefault("127.0.0.1:8025")
      .describe(
        'Address and port of the API (`/api/v1`) and of the probes (`/healthz`, `/readyz`), or "unix:/path". A reload does not change it.',
      ),
    token: secret()
      .min(16, "a token needs at least 16 characters")
      .optional()
      .describe(
        "Bearer token that requests must carry. Without it, `serve` creates one and keeps it in `data_dir/admin.token`. You must set it to listen on an address other than loopback. On a unix socket, requests need no token unless you set one. Applies on reload.",
      ),
    hostnames: z
      .array(z.string().min(1).max(255))
      .max(100)
      .default([])
      .describe(
        "Names under which browsers may address the API, besides `hostname` and the names of loopback; the server refuses other Host headers (DNS rebinding). Applies on reload.",
      ),
  })
  .describe("The HTTP listener: the API at `/api/v1`, and the probes `/healthz` and `/readyz`.");

export type AdminSettings = z.output<typeof adminSettings>;
