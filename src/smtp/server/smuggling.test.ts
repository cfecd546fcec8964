/** Rows SMUG against the whole core: however line ends are bent and cut, one message comes out at most, and in step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors } from "../../testing/conformance-data.ts";
import { runVectors } from "../../testing/run-vectors.ts";
import { reply } from "../reply.ts";
import { Conversation, greeted, inContent, withRecipient } from "../../testing/server-conversation.ts";

const forged = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nforged";

function assertNothingForged(conversation: Conversation, sequence: string): void {
  const label = JSON.stringify(sequence);
  assert.ok(conversation.messages.length <= 1, label);
  assert.ok(
    conversation.messages.every(({ sender }) => sender === "a@sender.example"),
    label,
  );
  assert.equal(conversation.kinds.filter((kind) => kind === "mail").length, 1, label);
  // What came behind refused content in the same piece is not run; what comes later is.
  const { closeCause } = conversation;
  const expected =
    closeCause === "sent-ahead"
      ? /^550 5\.5\.2 [^\r]*\r\n421 4\.5\.0 [^\r]*\r\n$/
      : /^(?:250|550 5\.5\.2) [^\r]*\r\n250 2\.0\.0 Ok\r\n$/;
  assert.match(conversation.read(), expected, label);
}

const sequences = [
  "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\r\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\r\n",
  "\n..\n", "\n..\r\n", "\n...\r\n", "\n.\r", "\r\n.\n\r\n", "\x85.\x85", "\v.\v", "\f.\f", "\r\n..\r\n", "\r\n .\r\n", "\n\n.\n\n",
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
  const inStep = (content: string, why: string) =>
    inContent().send(`${content}\r\n.\r\n`).send("NOOP\r\n").play(`S: 550 5.5.2 The message contains ${why}\nS: 250`);
  const lf = inStep("a\nb", "an LF without CR");
  assert.ok(lf.events.some((event) => event.kind === "content-refused" && event.reason === "bare-lf"));
  const cr = inStep("a\rb", "a CR without LF");
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
    withRecipient({ kind })
      .send("DATA\r\n")
      .send("a\n.\nb\r\n.\r\n")
      .send("NOOP\r\n")
      .play("S: 354\nS: 550 5.5.2\nS: 250");
  }
});

test("what came behind content that is refused for its line ends is not run: 421", () => {
  for (const bare of ["a\nb", "a\rb"]) {
    for (const behind of [forged, "NOOP\r\n", "Q"]) {
      const data = inContent().send(`${bare}\r\n.\r\n${behind}`).play("S: 550 5.5.2\nS: 421 4.5.0");
      assert.equal(data.closeCause, "sent-ahead");
      assert.equal(data.kinds.filter((kind) => kind === "mail").length, 1);
    }
    const chunk = withRecipient().send(`BDAT 3 LAST\r\n${bare}${forged}`).play("S: 550 5.5.2\nS: 421 4.5.0");
    assert.equal(chunk.closeCause, "sent-ahead");
    // LMTP answers for each recipient first.
    const lmtp = inContent({ kind: "lmtp" }).send(`${bare}\r\n.\r\nNOOP\r\n`).play("S: 550 5.5.2\nS: 421 4.5.0");
    assert.equal(lmtp.closeCause, "sent-ahead");
  }
  // Repaired content is taken, and what follows it belongs to the session.
  inContent({ bareLineEnds: "repair" }).send("a\nb\r\n.\r\nNOOP\r\n").play("S: 250\nS: 250");
});

test("a message sent behind a DATA that is refused is not run as commands: 421", () => {
  const message = `Subject: x\r\n\r\n${forged}\r\n.\r\n`;
  const cases: readonly (readonly [Conversation, string, string])[] = [
    [greeted(), "DATA", "503 5.5.1"],
    [greeted().send("MAIL FROM:<a@b>\r\nRCPT TO:<no-such@d>\r\n").play("S: 250\nS: 550"), "DATA", "503 5.5.1"],
    [withRecipient(), "DATA now", "501 5.5.4"],
    [
      greeted().send("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n").play("S: 250\nS: 250"),
      "DATA",
      "503 5.5.1",
    ],
    [
      withRecipient({}, (event) => (event.kind === "content-begin" ? reply(452, "4.3.1", "Full") : "proceed")),
      "DATA",
      "452 4.3.1",
    ],
  ];
  for (const [conversation, command, refusal] of cases) {
    const mails = conversation.kinds.filter((kind) => kind === "mail").length;
    conversation.send(`${command}\r\n${message}`).play(`S: ${refusal}\nS: 500 5.5.1\nS: 421 4.5.0`);
    assert.equal(conversation.closeCause, "unasked-content");
    assert.equal(conversation.kinds.filter((kind) => kind === "mail").length, mails);
  }
  for (const command of ["DATA\n", "DATA\rx", "DATA\tx", " DATA", "DATA:", "DATA\xff", `DATA${" ".repeat(3000)}`]) {
    const conversation = withRecipient().send(`${command}\r\n${message}`);
    assert.match(
      conversation.read(),
      /^50[01] [^\r]*\r\n500 5\.5\.1 [^\r]*\r\n421 4\.5\.0 [^\r]*\r\n$/,
      JSON.stringify(command.slice(0, 9)),
    );
    assert.equal(conversation.closeCause, "unasked-content");
  }
  // Whoever waited, or sends the dot of an empty message, goes on.
  greeted().send("DATA\r\nNOOP\r\nDATA\r\n.\r\nFOO\r\n").play("S: 503\nS: 250\nS: 503\nS: 500\nS: 500");
});

test("a chunk that cannot be measured, or comes where nothing is served, is not run as commands: 421", () => {
  const unreadable = [
    "BDAT", "BDAT x", "bdat 1.5 LAST", "BDAT 5 LAST now", "BDAT 99999999999999999999", "BDAT\t5", "BDAT5", " BDAT 5", "BDAT: 5", "BDAT 5\0", "BDAT 5\x7f",
    "BDAT 5\n", "BDAT 5\rLAST", "BDAT 5\xff", `BDAT ${"0".repeat(600)}5`, `BDAT 5${" ".repeat(5000)}LAST`,
  ]; // prettier-ignore
  for (const line of unreadable) {
    for (const pieces of [[`${line}\r\n${forged}`], [...`${line}\r\n${forged}`]]) {
      const conversation = withRecipient();
      for (const piece of pieces) conversation.send(piece);
      assert.match(
        conversation.read(),
        /^50[01] 5\.5\.[0-9] [^\r]*\r\n421 4\.5\.0 [^\r]*\r\n$/,
        JSON.stringify(line.slice(0, 20)),
      );
      assert.equal(conversation.closeCause, "lost-chunk");
      assert.equal(conversation.kinds.filter((kind) => kind === "mail").length, 1);
    }
  }
  const refused = new Conversation({}, (event) => (event.kind === "connect" ? reply(554, undefined, "No") : "proceed"));
  refused.send(`BDAT 40 LAST\r\n${forged}`).play("S: 554 No\nS: 503 5.5.1\nS: 421 4.5.0");
  assert.equal(refused.closeCause, "lost-chunk");
});

test("a chunk announced behind a bare CR or LF, as another program may read it, is not run as commands: 421", () => {
  const broken = [
    "\nBDAT 5", "NOOP\nBDAT 5 LAST", "NOOP\n bdat 5", "a\nb\nBDAT 5", `x\n${"y".repeat(40)}\nBDAT 5`, `\n \t BDAT 5${" ".repeat(40)}`,
    "NOOP\rBDAT 5", "NOOP\r BDAT 5 LAST", "NOOP\nx\rBDAT 5",
  ]; // prettier-ignore
  for (const line of broken) {
    for (const pieces of [[`${line}\r\n${forged}`], [...`${line}\r\n${forged}`]]) {
      const conversation = withRecipient();
      for (const piece of pieces) conversation.send(piece);
      const heard = conversation.read();
      assert.match(heard, /^(?:500 5\.5\.2 [^\r]*\r\n){1,2}421 4\.5\.0 [^\r]*\r\n$/, JSON.stringify(line));
      assert.equal(conversation.closeCause, "lost-chunk");
    }
  }
  // Neither the end of a long line that is dropped, nor a word that only begins so elsewhere.
  for (const line of [
    `x\n${"y".repeat(40)}BDAT 5`,
    `x\n${"\r".repeat(40)}BDAT 5`,
    `x\n${" ".repeat(40)}BDAT 5`,
    "NOOP\nNOOP BDAT 5",
    "\n",
  ]) {
    for (const pieces of [[`${line}\r\nNOOP\r\n`], [...`${line}\r\nNOOP\r\n`]]) {
      const conversation = withRecipient();
      for (const piece of pieces) conversation.send(piece);
      assert.match(conversation.read(), /^500 5\.5\.2 [^\r]*\r\n250 2\.0\.0 Ok\r\n$/, JSON.stringify(line));
    }
  }
});
