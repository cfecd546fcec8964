/** Both logs: what a line holds, what is left out, and that hostile text stays text. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";

import { ManualClock } from "../../testing/manual-clock.ts";
import { JsonLog } from "./json-log.ts";
import { coloursWanted, ReadableLog } from "./readable-log.ts";

function jsonLog(level: "debug" | "info" | "warn") {
  const lines: string[] = [];
  const { log } = JsonLog.open({ level, destination: { write: (line) => lines.push(line) } });
  return { log, lines };
}

test("JSON: one object per line, with level, time, event, the log's own fields and errors in full", () => {
  const { log, lines } = jsonLog("info");
  const ofSession = log.with({ session: "S1" });
  ofSession.event("message-accepted", { message: "4QJ7", subject: 'line\nbreak "quoted"' });
  ofSession.event("internal-error", { error: new TypeError("broken") });
  assert.equal(lines.length, 2);
  const [accepted, broken] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.match(String(accepted?.["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  delete accepted?.["time"];
  assert.deepEqual(accepted, {
    level: "info",
    session: "S1",
    message: "4QJ7",
    subject: 'line\nbreak "quoted"',
    event: "message-accepted",
  });
  assert.equal(broken?.["level"], "error");
  assert.deepEqual((broken?.["error"] as { type: string; message: string } | undefined)?.message, "broken");
  assert.equal(lines.filter((line) => line.slice(0, -1).includes("\n")).length, 0);
});

test("JSON: what JSON cannot say costs neither the line nor the program", () => {
  const { log, lines } = jsonLog("info");
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  log.event("message-accepted", { circular });
  log.event("message-accepted", { absent: undefined });
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.match(String(first?.["unloggable"]), /circular/i);
  assert.equal(first?.["event"], "message-accepted");
  assert.deepEqual(Object.keys(second ?? {}), ["level", "time", "event"]);
});

test("JSON: events below the level are left out", () => {
  const { log, lines } = jsonLog("warn");
  log.event("session-opened", {});
  log.event("message-accepted", {});
  log.event("login-failed", {});
  assert.equal(lines.length, 1);
});

test("JSON: lines gathered for standard output are all there when the process flushes and ends", async () => {
  const program = `
    const { JsonLog } = await import(${JSON.stringify(new URL("json-log.ts", import.meta.url).href)});
    const { log, flush } = JsonLog.open({ level: "info" });
    for (let size = 0; size < 500; size++) log.event("message-accepted", { size });
    flush();
    process.exit(0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  const sizes = stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { size: number }).size);
  assert.deepEqual(
    sizes,
    Array.from({ length: 500 }, (_, size) => size),
  );
});

function readableLog(colours: boolean) {
  const lines: string[] = [];
  const clock = new ManualClock(new Date(2026, 4, 6, 7, 8, 9, 10).getTime());
  const log = new ReadableLog({ level: "info", clock, colours, write: (text) => lines.push(text) });
  return { log, lines };
}

test("readable: aligned, quoted where needed, cut where long, nothing below the level", () => {
  const { log, lines } = readableLog(false);
  log.event("session-opened", {});
  log.with({ session: "S1" }).event("message-accepted", { from: "ann@example.org", subject: "two words", size: 12 });
  log.event("login-failed", {
    login: undefined,
    text: "x".repeat(400),
    nested: { a: 1 },
    to: ["a@b.test", "c@d.test"],
    error: new Error("no"),
  });
  assert.equal(
    lines[0],
    '07:08:09.010 info  message-accepted     session=S1 from=ann@example.org subject="two words" size=12\n',
  );
  assert.equal(
    lines[1],
    `07:08:09.010 warn  login-failed         text=${"x".repeat(299)}… nested="{\\"a\\":1}" to=a@b.test,c@d.test error=no\n`,
  );
  assert.equal(lines.length, 2);
});

test("readable: a subject cannot drive the terminal or forge a line", () => {
  const { log, lines } = readableLog(false);
  log.event("message-accepted", { subject: "\u001b[2J\r\nfaked \u009b31m \u202e", from: "a=b" });
  assert.equal(lines.length, 1);
  assert.doesNotMatch(lines[0]?.slice(0, -1) ?? "", /\p{C}/u);
  assert.match(lines[0] ?? "", /from="a=b"/);
});

test("colours: only on terminals, never with NO_COLOR", () => {
  const { log, lines } = readableLog(true);
  log.event("login-failed", {});
  assert.ok(lines[0]?.includes("\u001b[33mwarn "));
  assert.equal(coloursWanted({ isTTY: true }, {}), true);
  assert.equal(coloursWanted({ isTTY: true }, { NO_COLOR: "1" }), false);
  assert.equal(coloursWanted({ isTTY: true }, { NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(coloursWanted({ isTTY: true }, { NO_COLOR: "" }), true);
  assert.equal(coloursWanted({ isTTY: true }, { TERM: "dumb" }), false);
  assert.equal(coloursWanted({}, {}), false);
  assert.equal(coloursWanted({}, { FORCE_COLOR: "1" }), true);
});

test("JSON: a reader that goes away neither stops the program nor holds up its end", async () => {
  const program = `
    const { JsonLog } = await import(${JSON.stringify(new URL("json-log.ts", import.meta.url).href)});
    const { log, flush } = JsonLog.open({ level: "info" });
    process.stdin.once("data", () => {
      for (let size = 0; size < 5000; size++) log.event("message-accepted", { size, text: "x".repeat(100) });
      setImmediate(() => {
        log.event("server-stopped", {});
        flush();
        process.exit(7);
      });
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdout.destroy();
  child.stdin.write("go\n");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 7);
});
