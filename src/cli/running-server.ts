/** A whole server as commands see it; `server/create-server.ts` makes one from settings and ports. */
import type { Inbox } from "../admin/inbox.ts";
import type { Settings } from "../config/settings-schema.ts";
import type { Endpoint } from "../lib/endpoint.ts";

/** How a server runs, besides what the configuration says. */
export interface ServerPlan {
  readonly settings: Settings;
  /** `development`: every login and every recipient is right, all is captured, nothing leaves. */
  readonly mode: "production" | "development";
  /** false: STARTTLS is not offered. Development only; default: true. */
  readonly startTls?: boolean;
  /** The log shows only what is wrong. Development only: another program has the terminal. */
  readonly quietLog?: boolean;
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
  /** The captured mail; of the API too. Absent where the server runs elsewhere. */
  readonly inbox?: Inbox;
  /** In development the log is held back until this is called, so that the screen comes first. */
  readonly showLog?: () => void;
  /**
   * Whole or not at all; both are logged. `read` gives the settings, also to later reloads once they are in force; absent:
   * those in force are read again.
   */
  reload(read?: () => Promise<Settings>): Promise<ReloadResult>;
  /** Stops accepting, finishes or defers, flushes; resolves within `stop_within` and a little more. */
  stop(): Promise<void>;
}

export type ReloadResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** What people can mend when a server does not start; listed in docs/errors.md. */
export const startErrors = {
  "start-address-in-use": {
    cause: "Another program, perhaps another Posthaste, is already listening on the address.",
    remedy:
      "Stop it, or choose another port: `listen` in the file, `--smtp-port` or `--http-port` for `posthaste dev`.",
  },
  "start-address-refused": {
    cause:
      "The system does not allow listening there: a port below 1024 without permission, or an address of another machine.",
    remedy: "Run under a service manager that grants `CAP_NET_BIND_SERVICE`, or change `listen`.",
  },
  "start-data-dir-in-use": {
    cause:
      "Another process uses the data directory; only one server may use it at a time. A command that reads the spool without a server also locks it briefly.",
    remedy:
      "Stop the process that the message names, or give this server its own `data_dir`. A lock ends with its process.",
  },
  "start-data-dir-unusable": {
    cause:
      "This user cannot create, read or write the data directory, or its path is too long for the control socket: the system allows 107 octets (103 on macOS), including `/control.sock`.",
    remedy:
      "Create it and make the user that runs the server its owner: `install -d -m 700 -o USER -g GROUP FOLDER` creates a new folder, `chown -R USER:GROUP FOLDER` changes the owner of an existing one and everything in it. If the message says that the path is too long, choose a shorter one.",
  },
  "start-data-dir-open": {
    cause:
      "Other users of this machine can access the data directory. A server restricts its own or an empty folder to its user, but this folder holds other files or belongs to another user.",
    remedy: "Choose a folder that only this server uses, or run `chmod 700` on this one.",
  },
  "start-spool-newer": {
    cause: "A newer Posthaste has written the spool in a format that this version does not know. Nothing was changed.",
    remedy:
      "Start the newer version again. To go back to this version, stop the newer server, run `posthaste spool downgrade` with the newer version, then start this one.",
  },
  "start-certificate": {
    cause: "The server cannot read the certificate or its key, or the two do not match.",
    remedy:
      "Put the server's own certificate first in the certificate file, and its key, without a passphrase, in the key file.",
  },
} as const satisfies Record<string, { readonly cause: string; readonly remedy: string }>;

export type StartErrorCode = keyof typeof startErrors;

export class StartError extends Error {
  override readonly name = "StartError";
  readonly code: StartErrorCode;
  /** What the trouble is with: a listener's kind, `admin`, `control`. */
  readonly part: string;

  constructor(code: StartErrorCode, part: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.part = part;
  }
}
