/** What can be wrong with a configuration: stable codes, listed with cause and remedy in docs/errors.md. */
import type { SettingPath } from "./setting-path.ts";
import { formatSettingPath } from "./setting-path.ts";

export const configProblems = {
  "config-unreadable": {
    cause: "The file is not there, may not be read by this user, or is far too large.",
    remedy: "Check the path and the permissions.",
  },
  "config-syntax": {
    cause: "The text is not TOML 1.0, or not UTF-8.",
    remedy: "Look at the line named, and at the one before it: a quote or a bracket is often left open there.",
  },
  "config-unknown-key": {
    cause: "No section has a key of this name.",
    remedy:
      "Take the key that is suggested, or see docs/settings. A key below a `[section]` line belongs to that section.",
  },
  "config-missing-key": {
    cause: "A key without a default is not given.",
    remedy: "Add it; the message says what it is for.",
  },
  "config-invalid-value": {
    cause: "The value has the wrong type or form, or is out of bounds.",
    remedy: "The message says what is expected. Times and sizes are text with a unit.",
  },
  "config-secret-unreadable": {
    cause: "The file or the environment variable that holds a secret is not there, or empty.",
    remedy: "Create it for the user that runs the server. Relative paths start at the configuration file's folder.",
  },
  "config-module": {
    cause: "`posthaste.config.ts` cannot be loaded, or has no default export.",
    remedy: "End it with `export default defineConfig({ … })`; the message has the module's own error.",
  },
  "config-duplicate-listener": {
    cause: "Two listeners, or a listener and [admin], want the same address; `[::]` takes IPv4 as well.",
    remedy: "Give one of them another port.",
  },
  "config-listener-port": {
    cause: "LMTP is not allowed on TCP port 25 (RFC 2033 §5).",
    remedy: "Use port 24 or a unix socket.",
  },
  "config-no-listener": {
    cause: "The file has no `[[listener]]`.",
    remedy: "Add one for each port on which mail is to be accepted.",
  },
  "config-admin-exposed": {
    cause: "The HTTP side would listen beyond this machine without a token.",
    remedy: "Listen on 127.0.0.1, or set `token`.",
  },
  "config-tls-unreadable": {
    cause: "The certificate or its key is not there, or may not be read by this user.",
    remedy:
      "Check the path, which starts at the configuration file's folder, and the permissions, as the user that runs the server.",
  },
  "config-tls-unusable": {
    cause: "The certificate is no PEM certificate, does not belong to its key, or is out of date.",
    remedy:
      "Put the server's own certificate first in the file, and the key of that certificate, without a passphrase, in the other; renew what has expired.",
  },
  "config-ca-unusable": {
    cause: "The file of a route's `ca` cannot be read by this user, or holds no PEM certificate.",
    remedy: "Check the path, which starts at the configuration file's folder, and the permissions; convert DER to PEM.",
  },
  "config-account": {
    cause:
      "Domains, users and aliases do not fit together: an address twice, an undeclared domain, an alias that leads to itself.",
    remedy: "The message names the address. Declare its domain as a `[[domain]]`, or remove one of the two.",
  },
  "config-route-incomplete": {
    cause: "The kind of route needs a key that is missing or cannot be read.",
    remedy: "Add the key that is named.",
  },
  "config-route-clear-login": {
    cause: "A route has a login and a `tls` level at which somebody else could read the password.",
    remedy: 'Write `tls = "verified"`, or leave `tls` out.',
  },
  "config-route-unused-key": {
    cause: "A key means nothing for this kind of route, so something else was probably meant.",
    remedy: "Remove the key, or change `via`.",
  },
  "config-tls-incomplete": {
    cause: "Only one of `certificate` and `key` is given.",
    remedy: "Give both, or neither for a self-signed certificate.",
  },
  "config-queue-times": {
    cause: "Senders would be warned after their mail was given up.",
    remedy: 'Lower `warn_after`, raise `expire`, or turn the warning off with "0s".',
  },
  "config-data-dir": {
    cause: "`data_dir` is a file, or cannot be reached.",
    remedy: "Name a folder that the user that runs the server may use. It is made where it is absent.",
  },
} as const satisfies Record<string, { readonly cause: string; readonly remedy: string }>;

export type ConfigProblemCode = keyof typeof configProblems;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

export interface ConfigProblem {
  readonly code: ConfigProblemCode;
  readonly file: string;
  /** Absent for a configuration that is a module, and where the file as a whole is meant. */
  readonly position?: Position;
  /** Empty where the file as a whole is meant. */
  readonly path: SettingPath;
  /** One sentence or two: what is wrong and what to do. */
  readonly message: string;
}

/** Thrown by the loader with everything it found, in order of lines. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** `posthaste.toml:12:3: listener[0].kind: … [config-invalid-value]` */
export function formatProblem({
  file,
  position,
  path,
  message,
  code,
}: Omit<ConfigProblem, "code"> & { readonly code: string }): string {
  const place = position ? `${file}:${position.line}:${position.column}` : file;
  const key = path.length > 0 ? ` ${formatSettingPath(path)}:` : "";
  return `${place}:${key} ${message} [${code}]`;
}
