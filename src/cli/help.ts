/** Help texts, made from the declarations. */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import type { Command, OptionDeclaration } from "./command.ts";
import { helpOption } from "./command.ts";
import type { Style } from "./style.ts";

export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
}

/** `posthaste --help`. */
export function overviewHelp(commands: readonly Command[], groups: readonly CommandGroup[], style: Style): string {
  const rows: [string, string][] = [];
  for (const { name, summary } of commands) {
    const [first = name, second] = name.split(" ");
    const group = second === undefined ? undefined : groups.find((candidate) => candidate.name === first);
    const row: [string, string] = group ? [`${group.name} …`, group.summary] : [name, summary];
    if (!rows.some(([known]) => known === row[0])) rows.push(row);
  }
  return [
    `${style.bold("posthaste")} receives, queues, relays, delivers and explains mail.`,
    "",
    `${style.bold("Usage:")} posthaste COMMAND [OPTIONS]`,
    "",
    style.bold("Commands:"),
    ...columns(rows, style),
    "",
    "`posthaste COMMAND --help` describes each command. Exit codes are those of sysexits.h.",
    "",
  ].join("\n");
}

/** `posthaste queue --help`. */
export function groupHelp(group: CommandGroup, commands: readonly Command[], style: Style): string {
  const members = commands.filter(({ name }) => name.startsWith(`${group.name} `));
  return [
    sentence(group.summary),
    "",
    `${style.bold("Usage:")} posthaste ${group.name} COMMAND [OPTIONS]`,
    "",
    style.bold("Commands:"),
    ...columns(
      members.map(({ name, summary }) => [name, summary]),
      style,
    ),
    "",
  ].join("\n");
}

/** `posthaste queue list --help`. */
export function commandHelp(command: Command, style: Style): string {
  const { positionals, examples, description } = command;
  const options = [...command.options, helpOption];
  const lines = [
    sentence(command.summary),
    ...(description === undefined ? [] : ["", description]),
    "",
    `${style.bold("Usage:")} ${usageLine(command)}`,
  ];
  if (positionals.length > 0) {
    const rows = positionals.map(({ name, summary }): [string, string] => [name, summary]);
    lines.push("", style.bold("Arguments:"), ...columns(rows, style));
  }
  const rows = options.map((option): [string, string] => [optionLabel(option), optionSummary(option)]);
  lines.push("", style.bold("Options:"), ...columns(rows, style));
  if (examples.length > 0) {
    lines.push("", style.bold("Examples:"));
    for (const { line, does } of examples) lines.push(`  ${style.dim(`# ${does}`)}`, `  ${line}`);
  }
  return [...lines, ""].join("\n");
}

export function usageLine({ name, options, positionals, takesProgram }: Command): string {
  const words = positionals.map((positional) => (positional.optional ? `[${positional.name}]` : positional.name));
  const required = options
    .filter((option) => option.required)
    .map((option) => `--${option.name} ${option.value ?? ""}`);
  return ["posthaste", name, ...required, "[OPTIONS]", ...words, ...(takesProgram ? ["[-- PROGRAM…]"] : [])].join(" ");
}

function optionLabel({ name, short, value }: OptionDeclaration): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

function optionSummary({ summary, choices, multiple, variable }: OptionDeclaration): string {
  const more = [...(multiple ? ["may be repeated"] : []), ...(variable === undefined ? [] : [variable])];
  return `${summary}${choices ? `: ${choices.join(", ")}` : ""}${more.length === 0 ? "" : ` (${more.join("; ")})`}`;
}

function columns(rows: readonly (readonly [string, string])[], style: Style): string[] {
  const width = Math.min(32, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) =>
    left.length > width
      ? `  ${style.cyan(left)}\n  ${"".padEnd(width)}  ${right}`
      : `  ${style.cyan(left)}${"".padEnd(width - left.length)}  ${right}`,
  );
}

function sentence(summary: string): string {
  return `${asciiUpperCase(summary.charAt(0))}${summary.slice(1)}.`;
}
