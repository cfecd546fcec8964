/** The commands that documents and the server's own texts name exist, with the options that are written there. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { commandGroups, commands } from "./command-table.ts";

const documents = globSync(["*.md", "docs/**/*.md"]).filter((file) => !file.startsWith("CHANGELOG"));
const sources = globSync("src/**/*.ts").filter((file) => !file.endsWith(".test.ts"));

/** What a reader would type: the rest of a line of code, or of code within a sentence. */
function written(file: string): readonly { readonly place: string; readonly words: readonly string[] }[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line, index) =>
      [...line.matchAll(/(?:^|`|\$ )(?:bin\/)?posthaste ((?:[a-z][a-z-]*)[^`|#;&<>\\]*)/g)].map(([, rest = ""]) => ({
        place: `${file}:${index + 1}`,
        words: rest.trim().split(/\s+/),
      })),
    );
}

/** `skeleton` stands for a new command in CONTRIBUTING. */
function faultOf(words: readonly string[]): string | undefined {
  const command = commands.find(({ name }) => words.slice(0, name.split(" ").length).join(" ") === name);
  if (command === undefined) {
    const isGroup =
      commandGroups.some(({ name }) => words[0] === name) && ["…", "--help", undefined].includes(words[1]);
    return isGroup || words[0] === "skeleton" ? undefined : "there is no such command";
  }
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  const unknown = own.find((word) => word.startsWith("--") && !hasOption(command, word));
  return unknown === undefined ? undefined : `${command.name} has no option ${unknown}`;
}

function hasOption({ options }: Command, word: string): boolean {
  const name = /^--([a-z-]+)/.exec(word)?.[1];
  return name === "help" || options.some((option) => option.name === name);
}

test("each command and option that a document or a text of the server names exists", () => {
  const all = [...documents, ...sources].flatMap(written);
  assert.ok(all.length > 300, `only ${all.length} were found`);
  const faults = all.flatMap(({ place, words }) => {
    const fault = faultOf(words);
    return fault === undefined ? [] : [`${place}: posthaste ${words.join(" ")}: ${fault}`];
  });
  assert.deepEqual(faults, []);
});

test("a command or an option that does not exist is found", () => {
  assert.equal(faultOf(["queue", "flush"]), "there is no such command");
  assert.equal(faultOf(["queue", "list", "--sate", "held"]), "queue list has no option --sate");
  assert.equal(faultOf(["dev", "--", "npm", "--test"]), undefined);
});

test("each script of npm that a document names exists", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const named = documents.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/\bnpm run ([a-z][a-z:-]*)/g)].map(([, name = ""]) => ({ file, name })),
  );
  assert.ok(named.length > 50, `only ${named.length} were found`);
  assert.deepEqual(
    named.filter(({ name }) => scripts[name] === undefined),
    [],
  );
});
