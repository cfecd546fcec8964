/** `posthaste completion`: prints a script that teaches a shell the commands. */
import type { Command } from "../command.ts";
import { completionScript, type Shell } from "../completion.ts";
import { ExitCode } from "../exit-code.ts";

/** `commands` as a function: the table holds this command too. */
export const completionCommand = (commands: () => readonly Command[]): Command => ({
  name: "completion",
  summary: "print a completion script for a shell",
  options: [],
  positionals: [{ name: "SHELL", summary: "bash, zsh or fish", choices: ["bash", "zsh", "fish"] }],
  examples: [
    { line: "source <(posthaste completion bash)", does: "in ~/.bashrc" },
    { line: "posthaste completion fish | source", does: "in ~/.config/fish/config.fish" },
  ],
  run: (given, { stdout }) => {
    stdout.write(completionScript(given.positionals[0] as Shell, commands()));
    return Promise.resolve(ExitCode.ok);
  },
});
