/** A whole server as commands see it; `server/create-server.ts` makes one from settings and ports. */
import type { Settings } from "../config/settings-schema.ts";
import type { Endpoint } from "../ports/network.ts";

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
  /** In development the log is held back until this is called, so that the screen comes first. */
  readonly showLog?: () => void;
  /** Whole or not at all; both are logged. */
  reload(): Promise<ReloadResult>;
  /** Stops accepting, finishes or defers, flushes; resolves within `stop_within` and a little more. */
  stop(): Promise<void>;
}

export type ReloadResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** What people can mend when a server does not start; listed in docs/errors.md. */
export const startErrors = {
  "start-address-in-use": {
    cause: "Another program, perhaps another Posthaste, listens on the address already.",
    remedy:
      "Stop it, or choose another port: `listen` in the file, `--smtp-port` or `--http-port` for `posthaste dev`.",
  },
  "start-address-refused": {
    cause:
      "The system does not allow to listen there: a port below 1024 without the right, or an address of another machine.",
    remedy: "Run under a service manager that grants `CAP_NET_BIND_SERVICE`, or change `listen`.",
  },
  "start-data-dir-in-use": {
    cause:
      "Another process works on the data directory; one server at a time may. A command that reads the spool without a server holds it too, for a moment.",
    remedy:
      "Stop the process that is named, or give this server a `data_dir` of its own. A lock never outlives its process.",
  },
  "start-data-dir-unusable": {
    cause:
      "The data directory cannot be made, read or written by this user, or its path is too long for the control socket: the system allows 107 octets (103 on macOS), `/control.sock` included.",
    remedy:
      "Create it and give it to the user that runs the server, with all that is in it: `install -d -m 700 -o USER -g GROUP FOLDER` makes one, `chown -R USER:GROUP FOLDER` mends one. Choose a shorter path where that is named.",
  },
  "start-data-dir-open": {
    cause:
      "Other users of this machine may enter the data directory. A server narrows its own or an empty one to its user; this one holds other files, or belongs to another user.",
    remedy: "Choose a folder of its own, or run `chmod 700` on this one.",
  },
  "start-spool-newer": {
    cause: "A newer Posthaste has written the spool, in a format that this one does not know. Nothing was changed.",
    remedy:
      "Start the newer one again. Or, to go back, run `posthaste spool downgrade` with the newer one while its server is stopped, then start this one.",
  },
  "start-certificate": {
    cause: "The certificate or its key cannot be read, or they do not belong together.",
    remedy:
      "Put the server's own certificate first in the file, and the key of that certificate, without a passphrase, in the other.",
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
