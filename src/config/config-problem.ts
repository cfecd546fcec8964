/** What can be wrong with a configuration: stable codes, listed with cause and remedy in docs/errors.md. */
import type { SettingPath } from "./setting-path.ts";
import { formatSettingPath } from "./setting-path.ts";

export const configProblems = {
  "config-unreadable": {
    cause: "The file does not exist, this user may not read it, or it is far too large.",
    remedy: "Check the path and the permissions.",
  },
  "config-syntax": {
    cause: "The text is not valid TOML, or not UTF-8.",
    remedy: "Check the named line and the line before it, which often has an unclosed quote or bracket.",
  },
  "config-unknown-key": {
    cause: "No section has a key of this name.",
    remedy: "Use the suggested key, or see docs/settings. A key below a `[section]` line belongs to that section.",
  },
  "config-missing-key": {
    cause: "A key that has no default is missing.",
    remedy: "Add it; the message says what it is for.",
  },
  "config-invalid-value": {
    cause: "The value has the wrong type or form, or is out of range.",
    remedy: "The message says what is expected. Times and sizes are text with a unit, such as `5m`.",
  },
  "config-secret-unreadable": {
    cause: "The file or the environment variable that holds a secret does not exist or is empty.",
    remedy: "Create it for the user that runs the server. Relative paths start at the configuration file's folder.",
  },
  "config-module": {
    cause: "`posthaste.config.ts` cannot be loaded, or has no default export.",
    remedy: "End it with `export default defineConfig({ … })`. The message contains the module's own error.",
  },
  "config-duplicate-listener": {
    cause: "Two of the listeners, `[admin]`, `[mta_sts]` and `[tls.acme]` have the same address; `[::]` includes IPv4.",
    remedy: "Give one of them another port, or choose another `challenge` for ACME.",
  },
  "config-listener-port": {
    cause: "LMTP is not allowed on TCP port 25 (RFC 2033 §5).",
    remedy: "Use port 24 or a unix socket.",
  },
  "config-no-listener": {
    cause: "The file has no `[[listener]]`.",
    remedy: "Add one for each port on which the server should accept mail.",
  },
  "config-admin-exposed": {
    cause: "The API would be reachable from other machines without a token.",
    remedy: "Listen on 127.0.0.1, or set `token`.",
  },
  "config-tls-unreadable": {
    cause: "The certificate or its key does not exist, or this user may not read it.",
    remedy:
      "Check the permissions for the user that runs the server, and the path. A relative path starts at the configuration file's folder.",
  },
  "config-tls-unusable": {
    cause:
      "The file is not a PEM certificate, the certificate does not belong to the key, it has expired or is not valid yet, it is for other names, or its chain is incomplete.",
    remedy:
      "Put the server's own certificate first in one file, followed by those of the authorities between it and the root, and the key of that certificate, without a passphrase, in the other. The certificate in `[tls]` must be for `hostname`; list those for other names as `[[tls.certificates]]`.",
  },
  "config-ca-unusable": {
    cause: "This user may not read the file that a route's `ca` names, or the file contains no PEM certificate.",
    remedy:
      "Check the permissions and the path. A relative path starts at the configuration file's folder. Convert DER to PEM.",
  },
  "config-account": {
    cause:
      "Domains, users and aliases contradict each other: an address appears twice, a domain is not declared, or an alias expands to itself.",
    remedy: "The message names the address. Declare its domain as a `[[domain]]`, or remove one of the two entries.",
  },
  "config-route-incomplete": {
    cause: "This kind of route needs a key that is missing or cannot be understood.",
    remedy: "Add the key that is named.",
  },
  "config-route-clear-login": {
    cause: "A route has a login and a `tls` level at which others could read the password.",
    remedy: 'Write `tls = "verified"`, or omit `tls`.',
  },
  "config-listener-unused-key": {
    cause: "A key has no meaning for this kind of listener, so it is probably a mistake.",
    remedy: "Remove the key, or change `kind`.",
  },
  "config-route-unused-key": {
    cause: "A key has no meaning for this kind of route, so it is probably a mistake.",
    remedy: "Remove the key, or change `via`.",
  },
  "config-tls-incomplete": {
    cause: "Only one of `certificate` and `key` is given.",
    remedy: "Set both, or neither for a self-signed certificate.",
  },
  "config-acme": {
    cause:
      "`[tls.acme]` does not fit the other keys of `[tls]`, or has a key that its `challenge` does not use or lacks.",
    remedy: "The message says which one.",
  },
  "config-queue-times": {
    cause: "Senders would be warned about a delay after delivery had already failed.",
    remedy: 'Lower `warn_after`, raise `expire`, or turn the warning off with "0s".',
  },
  "config-data-dir": {
    cause: "`data_dir` is a file, or cannot be reached.",
    remedy:
      "Name a folder that the user that runs the server may write to. The server creates it if it does not exist.",
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
  /** Absent for a configuration that is a module, and for a problem of the whole file. */
  readonly position?: Position;
  /** Empty for a problem of the whole file. */
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
