import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { parseGiven } from "./parse-arguments.ts";

const command: Command = {
  name: "dev",
  summary: "for these tests",
  options: [
    { name: "port", value: "PORT", variable: "POSTHASTE_PORT", summary: "a number" },
    { name: "host", value: "NAME", multiple: true, variable: "POSTHASTE_HOST", summary: "a list" },
    { name: "tls", variable: "POSTHASTE_TLS", summary: "a flag" },
  ],
  positionals: [],
  takesProgram: true,
  examples: [],
  run: () => Promise.resolve(0),
};
const bounds = { min: 0, max: 9 };

test("the environment gives what the command line leaves out, and the command line goes first", () => {
  const environment = { POSTHASTE_PORT: "7", POSTHASTE_HOST: "a, b,", POSTHASTE_TLS: "1" };
  const given = parseGiven(command, [], environment);
  assert.equal(given.number("port", bounds), 7);
  assert.deepEqual(given.texts("host"), ["a", "b"]);
  assert.equal(given.flag("tls"), true);
  assert.equal(given.isFromEnvironment("port"), true);
  const told = parseGiven(command, ["--port", "3"], environment);
  assert.equal(told.number("port", bounds), 3);
  assert.equal(told.isFromEnvironment("port"), false);
});

test("a flag in the environment is on or off, an empty variable is none, and mistakes name the variable", () => {
  assert.equal(parseGiven(command, [], { POSTHASTE_TLS: "false" }).flag("tls"), false);
  assert.equal(parseGiven(command, [], { POSTHASTE_TLS: "", POSTHASTE_PORT: "" }).text("port"), undefined);
  assert.throws(() => parseGiven(command, [], { POSTHASTE_TLS: "maybe" }), /POSTHASTE_TLS must be 1 or 0, not "maybe"/);
  const given = parseGiven(command, [], { POSTHASTE_PORT: "70000" });
  assert.throws(() => given.number("port", bounds), /^CliError: POSTHASTE_PORT takes a whole number/);
});

test("what stands behind -- is a program with its own options", () => {
  const given = parseGiven(command, ["--tls", "--", "npm", "test", "--", "--port", "x"]);
  assert.deepEqual(given.program, ["npm", "test", "--", "--port", "x"]);
  assert.equal(given.flag("tls"), true);
  assert.equal(given.text("port"), undefined);
  assert.throws(() => parseGiven(command, ["--"]), /specify a program after --/);
  assert.throws(() => parseGiven(command, ["npm"]), /unexpected argument/);
});
