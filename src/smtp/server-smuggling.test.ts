/** Rows SMUG against the whole core: however line ends are bent and cut, one message comes out at most, and in step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { greeted, inContent, withRecipient, type Conversation } from "./server-test-support.ts";

const forged = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nforged";

function assertNothingForged(conversation: Conversation, sequence: string): void {
  const label = JSON.stringify(sequence);
  assert.ok(conversation.messages.length <= 1, label);
  assert.ok(
    conversation.messages.every(({ sender }) => sender === "a@sender.example"),
    label,
  );
  assert.equal(conversation.kinds.filter((kind) => kind === "mail").length, 1, label);
  assert.match(conversation.read(), /^(?:250|550 5\.5\.2) [^\r]*\r\n250 2\.0\.0 Ok\r\n$/, label);
}

const sequences = [
  "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\r\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\r\n",
  "\x85.\x85", "\v.\v", "\f.\f", "\r\n..\r\n", "\r\n .\r\n", "\n\n.\n\n",
]; // prettier-ignore

test("SMUG-001 SMUG-002 SMUG-003 SMUG-004 SMUG-005: no forged message, for any cut, refused or repaired", () => {
  for (const sequence of sequences) {
    const wire = `Subject: x\r\n\r\nbody${sequence}${forged}\r\n.\r\nNOOP\r\n`;
    for (const bareLineEnds of ["refuse", "repair"] as const) {
      assertNothingForged(inContent({ bareLineEnds }).send(wire), sequence);
      for (let cut = 0; cut < wire.length; cut += 3) {
        assertNothingForged(inContent({ bareLineEnds }).send(wire.slice(0, cut)).send(wire.slice(cut)), sequence);
      }
    }
  }
});

test("conformance: end-of-data sequences against the core", async (t) => {
  interface Vector {
    readonly bytes_b64: string;
    readonly ends_data: boolean;
  }
  const cases = readVectors<readonly Vector[]>(t, "smtp", "end-of-data.json");
  if (cases === undefined) return;
  const nameOf = ({ bytes_b64 }: Vector): string => bytes_b64;
  await runVectors(t, "smtp/end-of-data, server", cases, nameOf, ({ bytes_b64, ends_data }) => {
    const sequence = Buffer.from(bytes_b64, "base64").toString("latin1");
    if (ends_data || sequence.includes("\r\n.\r\n")) return { skipped: "it does end the content" };
    assertNothingForged(inContent().send(`Subject: x\r\n\r\nbody${sequence}${forged}\r\n.\r\nNOOP\r\n`), sequence);
    return undefined;
  });
});

test("SMUG-006: a bare LF ends no command", () => {
  const alone = greeted().send("NOOP\n").play("S: 500 5.5.2");
  alone.send("NOOP\nRSET\r\nNOOP\r\n").play("S: 250");
  greeted().send("NOOP\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n").play("S: 500 5.5.2\nS: 503 5.5.1");
  greeted().send("NOOP\rNOOP\r\nNOOP\r\n").play("S: 500 5.5.2\nS: 250");
  greeted().send("MAIL FROM:<a@b>\r\r\nNOOP\r\n").play("S: 500 5.5.2\nS: 250");
});

test("SMUG-007: bare line ends are refused behind the end of data, by name, in step", () => {
  const lf = inContent().send("a\nb\r\n.\r\nNOOP\r\n").play("S: 550 5.5.2 The message has an LF without CR\nS: 250");
  assert.ok(lf.events.some((event) => event.kind === "content-refused" && event.reason === "bare-lf"));
  const cr = inContent().send("a\rb\r\n.\r\nNOOP\r\n").play("S: 550 5.5.2 The message has a CR without LF\nS: 250");
  assert.ok(cr.events.some((event) => event.kind === "content-refused" && event.reason === "bare-cr"));
});

test("SMUG-007 trap 3: repair makes CRLF of them and tells so", () => {
  const conversation = inContent({ bareLineEnds: "repair" }).send("a\nb\rc\r\n\n.\n\r\n.\r\n").play("S: 250");
  assert.equal(conversation.messages[0]?.content, "a\r\nb\r\nc\r\n\r\n.\r\n\r\n");
  const end = conversation.events.find(({ kind }) => kind === "content-end");
  assert.equal(end?.kind === "content-end" && end.bareLineEnd, "LF");
});

test("SMUG-010: every kind of listener holds the same rule", () => {
  for (const kind of ["mx", "submission", "submissions", "lmtp"] as const) {
    withRecipient({ kind }).send("DATA\r\n").send("a\n.\nb\r\n.\r\nNOOP\r\n").play("S: 354\nS: 550 5.5.2\nS: 250");
  }
});
