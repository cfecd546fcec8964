/** How a command is declared: from one declaration come parsing, help, completion and suggestions. */
import type { CliContext } from "./context.ts";
import type { GivenArguments } from "./given-arguments.ts";

export interface OptionDeclaration {
  /** Without dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in help; absent: a flag. */
  readonly value?: string;
  readonly multiple?: true;
  /** The command cannot do without. */
  readonly required?: true;
  readonly summary: string;
  /** The only values allowed. */
  readonly choices?: readonly string[];
  readonly completes?: "file" | "folder";
  /** Environment variable that gives the value where the option is absent; a list has commas, a flag is 1 or 0. */
  readonly variable?: `POSTHASTE_${string}`;
}

export interface PositionalDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly optional?: true;
  readonly choices?: readonly string[];
  readonly completes?: "file";
}

export interface CommandExample {
  readonly line: string;
  readonly does: string;
}

export interface Command {
  /** `dev`, or `queue list` for one of a group. */
  readonly name: string;
  /** One line, no full stop. */
  readonly summary: string;
  readonly description?: string;
  readonly options: readonly OptionDeclaration[];
  readonly positionals: readonly PositionalDeclaration[];
  /** What stands behind `--` is a program with its arguments, to be run. */
  readonly takesProgram?: true;
  readonly examples: readonly CommandExample[];
  /** Gives the exit code: one of `ExitCode`, or that of the program it ran. */
  run(given: GivenArguments, context: CliContext): Promise<number>;
}

/** Understood by every command. */
export const helpOption = { name: "help", short: "h", summary: "show this help" } as const satisfies OptionDeclaration;

export const jsonOption = {
  name: "json",
  summary: "print JSON, stable for scripts",
} as const satisfies OptionDeclaration;

export const yesOption = {
  name: "yes",
  short: "y",
  summary: "do not ask for confirmation; required when there is no terminal",
} as const satisfies OptionDeclaration;
