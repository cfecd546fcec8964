import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { commands } from "./command-table.ts";
import { TestTerminal } from "../testing/cli-terminal.ts";

for (const shell of ["bash", "zsh", "fish"] as const) {
  test(`completion for ${shell} knows every command and option`, async () => {
    const { code, stdout } = await new TestTerminal().run(`completion ${shell}`);
    assert.equal(code, 0);
    for (const { name, options } of commands) {
      assert.ok(stdout.includes(name.split(" ").at(-1) ?? name), name);
      for (const option of options) {
        assert.ok(stdout.includes(shell === "fish" ? `-l ${option.name}` : `--${option.name}`), option.name);
      }
    }
  });
}

test("completion for fish knows the values of options and of arguments", async () => {
  const { stdout } = await new TestTerminal().run("completion fish");
  const lines = stdout.split("\n");
  for (const { name, options, positionals } of commands) {
    const ofCommand = lines.filter((line) => line.includes(`_from ${name.split(" ").at(-1) ?? name}'`));
    for (const { choices, completes } of [...options, ...positionals]) {
      if (choices)
        assert.ok(
          ofCommand.some((line) => line.includes(` -a '${choices.join(" ")}'`)),
          `${name}: ${choices.join()}`,
        );
      if (completes === "file")
        assert.ok(
          ofCommand.some((line) => / -F\b/.test(line)),
          name,
        );
    }
  }
  assert.ok(lines.includes("complete -c posthaste -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'"));
});

const bash = spawnSync("bash", ["--version"]).status === 0;

test("bash completes commands, options and their values", { skip: bash ? false : "no bash here" }, async () => {
  const { stdout: script } = await new TestTerminal().run("completion bash");
  const complete = (...words: string[]) => {
    const array = words.map((word) => `'${word}'`).join(" ");
    const line = `COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}; _posthaste; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", `${script}\n${line}`], { encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.split("\n").filter((word) => word !== "");
  };
  assert.ok(complete("posthaste", "").includes("queue"));
  assert.deepEqual(complete("posthaste", "ser"), ["serve"]);
  assert.deepEqual(complete("posthaste", "queue", "re"), ["retry", "release", "remove"]);
  assert.deepEqual(complete("posthaste", "queue", "list", "--do"), ["--domain"]);
  assert.deepEqual(complete("posthaste", "queue", "list", "--state", "he"), ["held"]);
  assert.deepEqual(complete("posthaste", "completion", "z"), ["zsh"]);
});
