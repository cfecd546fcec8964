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
}

export function developmentSettings({ dataDir, host, smtpPort, httpPort, tlsPort }: DevelopmentOptions): Settings {
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
    admin: { listen: address(httpPort) },
  });
}
