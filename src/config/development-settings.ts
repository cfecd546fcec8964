/** The settings of `posthaste dev`: production's, with the network captured. */
import { type Settings, settingsSchema } from "./settings-schema.ts";

export interface DevelopmentOptions {
  readonly dataDir: string;
  /**
   * IP addresses to listen on; HTTP on the first. This server believes every login, so whoever can reach it reads what it
   * captures.
   */
  readonly hosts: readonly [string, ...string[]];
  readonly smtpPort: number;
  readonly httpPort: number;
  /** SMTP with TLS from the first octet. */
  readonly tlsPort: number | undefined;
  /** Names under which HTTP may be addressed, besides loopback ones. */
  readonly hostnames: readonly string[];
}

export function developmentSettings(options: DevelopmentOptions): Settings {
  const { dataDir, hosts, smtpPort, httpPort, tlsPort, hostnames } = options;
  const address = (host: string, port: number) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  return settingsSchema.parse({
    hostname: "localhost",
    data_dir: dataDir,
    // Nobody waits for a laptop's server.
    stop_within: "5s",
    listener: [
      ...hosts.map((host) => ({ kind: "submission", listen: address(host, smtpPort) })),
      ...(tlsPort === undefined ? [] : hosts.map((host) => ({ kind: "submissions", listen: address(host, tlsPort) }))),
    ],
    route: [{ domain: "*", via: "capture" }],
    // Captured mail is kept for a week, so what happened to it needs no longer.
    history: { keep: "7d" },
    admin: { listen: address(hosts[0], httpPort), hostnames },
  });
}
