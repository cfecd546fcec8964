/** The arguments that one command was given, read with their types. */
import { parseDuration } from "../lib/setting-types.ts";
import { usageError } from "./exit-code.ts";

export class GivenArguments {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #variables: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
  /** The words behind `--`, for a command that takes a program. */
  readonly program: readonly string[];

  /** `variables`: of the options that the environment gave, the variable. */
  constructor(
    values: ReadonlyMap<string, readonly string[]>,
    positionals: readonly string[],
    more: { readonly program?: readonly string[]; readonly variables?: ReadonlyMap<string, string> } = {},
  ) {
    this.#values = values;
    this.#variables = more.variables ?? new Map<string, string>();
    this.positionals = positionals;
    this.program = more.program ?? [];
  }

  /** Whether the environment gave the option, not the command line. */
  isFromEnvironment(name: string): boolean {
    return this.#variables.has(name);
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** For options that may be given more than once. */
  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  required(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw usageError(`--${name} is required`);
    return text;
  }

  /** A whole number within bounds. */
  number(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    throw usageError(
      `${this.#variables.get(name) ?? `--${name}`} takes a whole number from ${bounds.min} to ${bounds.max}, not "${text}"`,
    );
  }

  /** `30s`, `5m`, or seconds without a unit. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const ms = parseDuration(/^\d+$/.test(text) ? `${text}s` : text);
    if (ms === undefined) throw usageError(`--${name} takes a time such as 30s or 5m, not "${text}"`);
    return ms;
  }
}
