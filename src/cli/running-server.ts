/** A whole server as commands see it; `compose.ts` makes one from settings and ports. */
import type { Settings } from "../config/settings-schema.ts";
import type { Endpoint } from "../ports/network.ts";

/** How a server runs, besides what the configuration says. */
export interface ServerPlan {
  readonly settings: Settings;
  /** `development`: any login and any recipient, everything is captured, nothing leaves, loopback only. */
  readonly mode: "production" | "development";
  /** Reads the configuration again; absent where there is no file. Rejects with `ConfigError`. */
  readonly reload?: () => Promise<Settings>;
}

export interface OpenListener {
  readonly kind: string;
  /** The real address: a port asked for as 0 is known here. */
  readonly endpoint: Endpoint;
}

export interface RunningServer {
  readonly listeners: readonly OpenListener[];
  /** Where the API listens. */
  readonly admin: Endpoint;
  /** Whole or not at all; both are logged. */
  reload(): Promise<ReloadResult>;
  /** Stops accepting, finishes or defers, flushes; resolves within `stop_within` and a little more. */
  stop(): Promise<void>;
}

export type ReloadResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** What people can mend when a server does not start. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly reason: "address-in-use" | "address-refused" | "data-dir-in-use" | "data-dir-unusable" | "certificate";
  /** What the trouble is with: a listener's kind, `admin`, `control`. */
  readonly part: string;

  constructor(reason: StartError["reason"], part: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.part = part;
  }
}
