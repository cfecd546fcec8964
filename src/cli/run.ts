/** From the words of a command line to an exit code. */
import { ConfigError, formatProblem } from "../config/config-problem.ts";
import { nearest } from "../lib/nearest.ts";
import type { Command } from "./command.ts";
import { commandGroups, commands } from "./command-table.ts";
import type { CliContext } from "./context.ts";
import { CliError, ExitCode, usageError } from "./exit-code.ts";
import { parseGiven } from "./parse-arguments.ts";
import { commandHelp, groupHelp, overviewHelp, usageLine } from "./help.ts";
import { StartError } from "./running-server.ts";
import { type Style, styleFor } from "./style.ts";

/** `words`: without node and script. Never rejects. */
export async function runCli(words: readonly string[], context: CliContext): Promise<number> {
  const style = styleFor(context.stderr, context.environment);
  let command: Command | undefined;
  try {
    const [first = "--help", second] = words;
    const styleOut = styleFor(context.stdout, context.environment);
    if (first === "--version" || first === "-V" || first === "version") return print(context, `${context.version}\n`);
    if (first === "--help" || first === "-h") return print(context, overviewHelp(commands, commandGroups, styleOut));
    if (first === "help") return await runCli([...words.slice(1), "--help"], context);

    const group = commandGroups.find(({ name }) => name === first);
    if (group && (second === undefined || second === "--help" || second === "-h")) {
      const help = groupHelp(group, commands, styleOut);
      if (second !== undefined) return print(context, help);
      context.stderr.write(help);
      return ExitCode.usage;
    }
    command = findCommand(words);
    const given = parseGiven(command, words.slice(command.name.split(" ").length), context.environment);
    if (given.flag("help")) return print(context, commandHelp(command, styleOut));
    return await command.run(given, context);
  } catch (error) {
    return tell(error, command, context, style);
  }
}

function print(context: CliContext, text: string): ExitCode {
  context.stdout.write(text);
  return ExitCode.ok;
}

function findCommand(words: readonly string[]): Command {
  const [first = "", second = ""] = words;
  const group = commandGroups.find(({ name }) => name === first);
  const name = group ? `${first} ${second}` : first;
  const command = commands.find((candidate) => candidate.name === name);
  if (command) return command;
  if (first.startsWith("-")) throw usageError(`unknown option ${first}`, "Run posthaste --help for a list.");
  const known = group
    ? commands.filter((candidate) => candidate.name.startsWith(`${first} `)).map((candidate) => candidate.name)
    : [...commands.map((candidate) => candidate.name.split(" ", 1)[0] ?? ""), "help"];
  const meant = group
    ? nearest(
        second,
        known.map((candidate) => candidate.slice(first.length + 1)),
      )
    : nearest(first, known);
  const hint = meant === undefined ? "Run posthaste --help for a list." : undefined;
  throw usageError(`unknown command "${name}"`, hint ?? `Did you mean ${group ? `${first} ${meant}` : meant}?`);
}

function tell(
  error: unknown,
  command: Command | undefined,
  { stderr, environment }: CliContext,
  style: Style,
): ExitCode {
  if (error instanceof ConfigError) {
    for (const problem of error.problems) stderr.write(`${formatProblem(problem)}\n`);
    const count = error.problems.length;
    stderr.write(`${style.red("posthaste:")} the configuration has ${count} ${count === 1 ? "error" : "errors"}\n`);
    return ExitCode.config;
  }
  if (error instanceof StartError) {
    stderr.write(`${style.red("posthaste:")} ${error.message} [${error.code}]\n`);
    return error.code === "start-certificate" ? ExitCode.config : ExitCode.unavailable;
  }
  if (error instanceof CliError) {
    stderr.write(`${style.red("posthaste:")} ${error.message}\n`);
    if (error.hint !== undefined) stderr.write(`${error.hint}\n`);
    if (error.exitCode === ExitCode.usage && command) {
      stderr.write(`${style.dim(`Usage: ${usageLine(command)}   (--help shows details)`)}\n`);
    }
    return error.exitCode;
  }
  // Ctrl-C or Ctrl-D at a question, as readline tells it.
  if (error instanceof Error && error.name === "AbortError") {
    stderr.write("\nCancelled. Nothing was changed.\n");
    return ExitCode.interrupted;
  }
  const text = error instanceof Error ? (environment["POSTHASTE_DEBUG"] ? error.stack : error.message) : String(error);
  stderr.write(`${style.red("posthaste:")} internal error: ${text}\n`);
  stderr.write("Please report this error. POSTHASTE_DEBUG=1 prints where it happened.\n");
  return ExitCode.software;
}
