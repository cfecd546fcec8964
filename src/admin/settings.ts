/** The [admin] section: where console, API and probes listen. */
import { z } from "zod";

export const adminSettings = z
  .strictObject({
    listen: z
      .string()
      .default("127.0.0.1:8025")
      .describe("Address and port of the API, `/healthz` and `/readyz`. A reload does not move it."),
    token: z
      .string()
      .min(16, "a token needs at least 16 characters")
      .optional()
      .describe(
        "Bearer token that requests must carry; needed to listen anywhere but on loopback. May be `{ file = … }` or `{ env = … }`.",
      ),
  })
  .prefault({})
  .describe("The HTTP side: console, API at `/api/v1`, `/healthz`, `/readyz`.");

export type AdminSettings = z.infer<typeof adminSettings>;
