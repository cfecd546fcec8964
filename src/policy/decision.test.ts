import assert from "node:assert/strict";
import { test } from "node:test";
import { refuse } from "./decision.ts";
import { refusals } from "./reasons.ts";

test("every refusal that is declared has a status of its code's class, and words that fit into one line", () => {
  for (const [reason, { code, status, text, setting }] of Object.entries(refusals)) {
    assert.equal(status.charAt(0), String(code).charAt(0), reason);
    assert.match(text, /^[\u0020-\u007e]{1,480}$/, reason);
    if (setting !== undefined) assert.doesNotMatch(setting, /`/, reason);
  }
});

test("a refusal says what it was decided from, and leaves out what is not known", () => {
  const shown = refuse("unknown-recipient", { address: "bob@example.org" }, "domain example.org");
  assert.deepEqual(shown.reply.lines, ["No such user here: bob@example.org"]);
  assert.deepEqual([shown.verdict, shown.setting], ["reject", "domain example.org"]);
  assert.deepEqual(refuse("unknown-recipient", { address: "" }).reply.lines, ["No such user here"]);
  const explained = refuse("spf-fail", { client: "192.0.2.1", domain: "a.test", explanation: "ask us" });
  assert.deepEqual(explained.reply.lines, ["SPF: 192.0.2.1 may not send for a.test; a.test explains: ask us"]);
  const silent = refuse("spf-fail", { client: "192.0.2.1", domain: "a.test", explanation: "" });
  assert.deepEqual(silent.reply.lines, ["SPF: 192.0.2.1 may not send for a.test"]);
  assert.deepEqual(refuse("client-message-rate", { limit: 5 }).inputs, { limit: 5 });
});

test("what a peer brings into a reply cannot end its line, fill it without bound, or be read as a form", () => {
  const [line = ""] = refuse("spf-permerror", { domain: "a.test", fault: `x\r\n250 ok [{domain}] ${"y".repeat(999)}` })
    .reply.lines;
  assert.match(line, /is invalid: x 250 ok \[\{domain\}\] y+\.\.\.$/);
  assert.equal(line.length, 480);
});
