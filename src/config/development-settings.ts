/** The settings of `posthaste dev`: production's, with the network captured. */
import { type Settings, settingsSchema } from "./settings-schema.ts";

export interface DevelopmentOptions {
  readonly dataDir: string;
  /** IP address to listen on. This server believes every login, so whoever can reach it reads what it captures. */
  readonly host: string;
  readonly smtpPort: number;
  readonly httpPort: number;
  /** SMTP with TLS from the first octet. */
  readonly tlsPort: number | undefined;
  /** Names under which HTTP may be addressed, besides loopback ones. */
  readonly hostnames: readonly string[];
}

export function developmentSettings(options: DevelopmentOptions): Settings {
  const { dataDir, host, smtpPort, httpPort, tlsPort, hostnames } = options;
  const address = (port: number): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  return settingsSchema.parse({
    hostname: "localhost",
    data_dir: dataDir,
    // Nobody waits for a laptop's server.
    stop_within: "5s",
    listener: [
      { kind: "submission", listen: address(smtpPort) },
      ...(tlsPort === undefined ? [] : [{ kind: "submissions", listen: address(tlsPort) }]),
    ],
    route: [{ domain: "*", via: "capture" }],
    admin: { listen: address(httpPort), hostnames },
  });
}
