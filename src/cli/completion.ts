/** Completion scripts for shells, made from the declarations: words only, so they need no running program. */
import type { Command, OptionDeclaration } from "./command.ts";
import { helpOption } from "./command.ts";

export type Shell = "bash" | "zsh" | "fish";

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      // zsh runs bash's completions as they are.
      return `#compdef posthaste\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`;
    case "fish":
      return fishScript(commands);
    default:
      return shell satisfies never;
  }
}

function firstWords(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ", 1)[0] ?? name))];
}

function membersOf(group: string, commands: readonly Command[]): Command[] {
  return commands.filter(({ name }) => name.startsWith(`${group} `));
}

function bashScript(commands: readonly Command[]): string {
  const first = firstWords(commands);
  const groups = first.filter((word) => membersOf(word, commands).length > 0);
  const cases = commands.map((command) => {
    const options = [...command.options, helpOption];
    const words = options.map(({ name }) => `--${name}`).join(" ");
    const choices = command.positionals.flatMap((positional) => positional.choices ?? []).join(" ");
    const files = command.positionals.some(({ completes }) => completes === "file");
    return `    "${command.name}") options="${words}"; words="${choices}"; files=${files ? 1 : 0} ;;`;
  });
  const values = valueCases(commands);
  return `# bash completion for posthaste:  source <(posthaste completion bash)
_posthaste() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command="\${COMP_WORDS[1]}" options="" words="" files=0
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${first.join(" ")} --help --version" -- "$current"))
    return
  fi
  case "$command" in
    ${groups.join("|")})
      if [ "$COMP_CWORD" -eq 2 ]; then
        case "$command" in
${groups
  .map(
    (group) =>
      `          ${group}) words="${membersOf(group, commands)
        .map(({ name }) => name.slice(group.length + 1))
        .join(" ")}" ;;`,
  )
  .join("\n")}
        esac
        COMPREPLY=($(compgen -W "$words --help" -- "$current"))
        return
      fi
      command="$command \${COMP_WORDS[2]}" ;;
  esac
  case "$previous" in
${values}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current"))
       [ "$files" = 1 ] && COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _posthaste posthaste
`;
}

/** What may follow an option that takes a value; equal names mean the same in every command. */
function valueCases(commands: readonly Command[]): string {
  const options = new Map<string, OptionDeclaration>();
  for (const option of commands.flatMap((command) => command.options)) {
    if (option.value !== undefined) options.set(option.name, option);
  }
  return [...options.values()]
    .map(({ name, short, choices, completes }) => {
      const words = short === undefined ? `--${name}` : `--${name}|-${short}`;
      if (choices) return `    ${words}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`;
      if (completes) {
        return `    ${words}) COMPREPLY=($(compgen ${completes === "file" ? "-f" : "-d"} -- "$current")); return ;;`;
      }
      return `    ${words}) return ;;`;
    })
    .join("\n");
}

function fishScript(commands: readonly Command[]): string {
  const lines = ["# fish completion for posthaste:  posthaste completion fish | source", "complete -c posthaste -f"];
  const firsts = firstWords(commands);
  for (const word of firsts) {
    const members = membersOf(word, commands);
    const summary = commands.find(({ name }) => name === word)?.summary ?? `${word} …`;
    lines.push(`complete -c posthaste -n __fish_use_subcommand -a ${word} -d ${quoted(summary)}`);
    if (members.length === 0) continue;
    const names = members.map(({ name }) => name.slice(word.length + 1));
    const unfinished = `__fish_seen_subcommand_from ${word}; and not __fish_seen_subcommand_from ${names.join(" ")}`;
    for (const [index, member] of members.entries()) {
      lines.push(
        `complete -c posthaste -n ${quoted(unfinished)} -a ${names[index] ?? ""} -d ${quoted(member.summary)}`,
      );
    }
  }
  for (const { name, options, positionals } of commands) {
    const seen = name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    const condition = `complete -c posthaste -n ${quoted(seen)}`;
    for (const option of [...options, helpOption]) lines.push(`${condition} ${fishOption(option)}`);
    for (const { choices, completes } of positionals) {
      if (choices) lines.push(`${condition} -a ${quoted(choices.join(" "))}`);
      if (completes === "file") lines.push(`${condition} -F`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishOption({ name, short, value, summary, choices, completes }: OptionDeclaration): string {
  return [
    ...(short === undefined ? [] : [`-s ${short}`]),
    `-l ${name}`,
    ...(value === undefined ? [] : ["-r"]),
    ...(choices ? [`-a ${quoted(choices.join(" "))}`] : []),
    ...(completes ? ["-F"] : []),
    `-d ${quoted(summary)}`,
  ].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
