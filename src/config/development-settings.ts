/** The settings of `posthaste dev`: production's, with the network captured. */
import { type Settings, settingsSchema } from "./settings-schema.ts";

/** Loopback only, whatever else is asked for: this server believes every login. */
export function developmentSettings(options: {
  readonly dataDir: string;
  readonly smtpPort: number;
  readonly httpPort: number;
}): Settings {
  return settingsSchema.parse({
    hostname: "localhost",
    data_dir: options.dataDir,
    // Nobody waits for a laptop's server.
    stop_within: "5s",
    listener: [{ kind: "submission", listen: `127.0.0.1:${options.smtpPort}` }],
    route: [{ domain: "*", via: "capture" }],
    admin: { listen: `127.0.0.1:${options.httpPort}` },
  });
}
