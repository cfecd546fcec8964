/** What can be wrong with a configuration: stable codes, listed with cause and remedy in docs/errors.md. */
import type { SettingPath } from "./setting-path.ts";
import { formatSettingPath } from "./setting-path.ts";

export const configProblemCodes = [
  "config-unreadable",
  "config-syntax",
  "config-unknown-key",
  "config-missing-key",
  "config-invalid-value",
  "config-secret-unreadable",
  "config-module",
  "config-duplicate-listener",
  "config-listener-port",
  "config-no-listener",
  "config-admin-exposed",
  "config-account",
  "config-route-incomplete",
  "config-route-clear-login",
  "config-route-unused-key",
  "config-tls-incomplete",
  "config-queue-times",
  "config-data-dir",
] as const;

export type ConfigProblemCode = (typeof configProblemCodes)[number];

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
export function formatProblem({ file, position, path, message, code }: ConfigProblem): string {
  const place = position ? `${file}:${position.line}:${position.column}` : file;
  const key = path.length > 0 ? ` ${formatSettingPath(path)}:` : "";
  return `${place}:${key} ${message} [${code}]`;
}
