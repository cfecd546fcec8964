/** The shipped filter, read by the real fail2ban-regex: it finds every ban in the log, and nothing that a client wrote. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { JsonLog } from "../../src/node/log/json-log.ts";
import { tellBan } from "../../src/policy/ban-notice.ts";
import { type Ban, Bans } from "../../src/policy/bans.ts";
import { bansSettings } from "../../src/policy/settings.ts";
import { Folder } from "./support/folder.ts";
import { runProgram } from "./support/program.ts";

const filter = fileURLToPath(new URL("../../contrib/fail2ban/posthaste.conf", import.meta.url));

test("fail2ban-regex finds the network of each ban, from a file and with the prefix of the journal", async () => {
  const lines: string[] = [];
  const { log } = JsonLog.open({ level: "info", destination: { write: (line) => lines.push(line) } });
  const began: Ban[] = [];
  const bans = new Bans({
    settings: bansSettings.parse({ failed_logins: 1, errors: 1, unknown_recipients: 1 }),
    clock: { now: () => Date.now(), monotonicMs: () => performance.now() },
    isRelay: () => false,
    isProxy: () => false,
    banned: (ban) => {
      began.push(ban);
      tellBan(log, ban);
    },
    signedIn: () => undefined,
  });
  const addresses = ["198.51.100.7", "2001:db8:0:1::9", "203.0.113.200"];
  const offences = ["failed-login", "unknown-recipient", "error"] as const;
  for (const [index, address] of addresses.entries()) {
    const client = { listener: index === 0 ? "submission" : "mx", address, relayNetwork: false } as const;
    for (let times = 0; times < 2; times++) bans.note(client, offences[index] ?? "error");
  }
  assert.equal(began.length, 3);
  // What a client may choose: a user name that looks like the end of the line, or like a whole line of its own.
  for (const username of ['x","event":"network-banned"}', `\n${lines[0]}`, lines[0] ?? ""]) {
    const fields = { client: "192.0.2.66", mechanism: "PLAIN", username, reason: "unknown-user" };
    log.event("login-failed", { ...fields, retry_after_seconds: undefined, error: undefined });
  }
  assert.equal(lines.length, 6);

  using folder = new Folder();
  const read = async (name: string, text: string) => {
    const file = folder.file(name);
    writeFileSync(file, text);
    const { output } = await runProgram("fail2ban-regex", ["--out", "row", "--usedns", "no", file, filter]);
    return output.split("\n").filter((line) => line.startsWith("["));
  };
  for (const [name, prefix] of [
    ["file", ""],
    ["journal", "mail posthaste[4711]: "],
  ] as const) {
    const found = await read(name, lines.map((line) => prefix + line).join(""));
    assert.equal(found.length, 3, found.join("\n"));
    const [addressesFound, times] = [0, 1].map((column) => found.map((row) => row.split("\t")[column] ?? ""));
    assert.deepEqual(
      addressesFound,
      addresses.map((address) => `['${address}',`),
    );
    // In UTC, whatever the time zone of this machine.
    for (const [index, time] of (times ?? []).entries()) {
      const sinceMs = began[index]?.since ?? 0;
      assert.ok(Math.abs(Number.parseInt(time, 10) * 1000 - sinceMs) < 2000, time);
    }
  }
});
