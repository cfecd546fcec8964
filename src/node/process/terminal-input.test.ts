/** Questions at a terminal: what stands on the screen when the answer is awaited. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { terminalInput } from "./terminal-input.ts";

function terminal() {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = new PassThrough();
  let shown = "";
  output.on("data", (chunk) => (shown += String(chunk)));
  return { input, screen: () => shown, ask: terminalInput(input, output).ask };
}

test("a question stays on the screen while its answer is awaited", async () => {
  const { input, screen, ask } = terminal();
  const answer = ask("Remove it? [y/N] ");
  input.write("y\n");
  assert.equal(await answer, "y");
  const shown = screen();
  const cleared = shown.lastIndexOf("\u001b[0J");
  assert.match(shown.slice(cleared + 1), /Remove it\? \[y\/N\] /);
});

test("a hidden answer is never shown, its question is", async () => {
  const { input, screen, ask } = terminal();
  const answer = ask("Password: ", { hidden: true });
  input.write("secret\n");
  assert.equal(await answer, "secret");
  const shown = screen();
  assert.match(shown, /^Password: /);
  assert.doesNotMatch(shown, /secret/);
});
