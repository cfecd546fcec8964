/** The words of a command line, parsed by the declaration of their command. */
import { parseArgs } from "node:util";
import { nearest } from "../lib/nearest.ts";
import { type Command, helpOption, type OptionDeclaration } from "./command.ts";
import { usageError } from "./exit-code.ts";
import { GivenArguments } from "./given-arguments.ts";

/** Throws a usage error that names the nearest known option, or what is missing. */
export function parseGiven(
  command: Command,
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): GivenArguments {
  const declared: readonly OptionDeclaration[] = [...command.options, helpOption];
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      declared.map(({ name, short, value }) => [
        name,
        { type: value === undefined ? "boolean" : "string", ...(short !== undefined && { short }) } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  const program: string[] = [];
  let rest = positionals;
  for (const token of tokens) {
    if (token.kind === "option-terminator" && command.takesProgram) rest = program;
    if (token.kind === "positional") rest.push(token.value);
    if (token.kind !== "option") continue;
    const option = declared.find(({ name }) => name === token.name);
    if (!option) throw unknownOption(token.rawName, declared);
    values.set(option.name, [...(values.get(option.name) ?? []), valueOf(option, token.value, values)]);
  }
  if (rest === program && program.length === 0) throw usageError("specify a program after --");
  const variables = addFromEnvironment(values, command.options, environment);
  const given = new GivenArguments(values, positionals, { program, variables });
  if (given.flag("help")) return given;
  checkPositionals(command, positionals);
  const missing = command.options.find(({ name, required }) => required && !values.has(name));
  if (missing) throw usageError(`--${missing.name} is required: ${missing.summary}`);
  return given;
}

/** Gives the options that came from the environment, with their variables. */
function addFromEnvironment(
  values: Map<string, string[]>,
  options: readonly OptionDeclaration[],
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const option of options) {
    const { name, variable } = option;
    const text = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || text === undefined || text === "" || values.has(name)) continue;
    if (option.value === undefined) {
      if (/^(?:0|false|no|off)$/i.test(text)) continue;
      if (!/^(?:1|true|yes|on)$/i.test(text)) throw usageError(`${variable} must be 1 or 0, not "${text}"`);
    }
    values.set(name, option.value === undefined ? [""] : option.multiple ? listOf(text) : [text]);
    variables.set(name, variable);
  }
  return variables;
}

function listOf(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "");
}

function valueOf(option: OptionDeclaration, value: string | undefined, earlier: ReadonlyMap<string, unknown>): string {
  const { name, choices } = option;
  if (option.value === undefined) {
    if (value !== undefined) throw usageError(`--${name} takes no value`);
    return "";
  }
  if (value === undefined) throw usageError(`--${name} needs a value: --${name} ${option.value}`);
  if (earlier.has(name) && !option.multiple) throw usageError(`--${name} was specified twice`);
  if (choices && !choices.includes(value)) {
    const meant = nearest(value, choices);
    throw usageError(
      `--${name} takes ${choices.join(", ")}, not "${value}"`,
      meant === undefined ? undefined : `Did you mean ${meant}?`,
    );
  }
  return value;
}

function unknownOption(rawName: string, declared: readonly OptionDeclaration[]) {
  const meant = nearest(
    rawName.replace(/^-+/, ""),
    declared.map(({ name }) => name),
  );
  return usageError(`unknown option ${rawName}`, meant === undefined ? undefined : `Did you mean --${meant}?`);
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const missing = command.positionals.slice(given.length).find(({ optional }) => !optional);
  if (missing) throw usageError(`${missing.name} is required: ${missing.summary}`);
  const extra = given[command.positionals.length];
  if (extra !== undefined) throw usageError(`unexpected argument "${extra}"`);
  for (const [index, { name, choices }] of command.positionals.entries()) {
    const value = given[index];
    if (value === undefined || !choices || choices.includes(value)) continue;
    throw usageError(`${name} must be one of ${choices.join(", ")}, not "${value}"`);
  }
}
