/** Any octets, in any cut, from each phase: events and whole replies come out, nothing is thrown, memory stays bounded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { reply } from "../reply.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { Conversation, type Judge } from "../../testing/server-conversation.ts";

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(
    "EHLO x\r\n", "HELO x\r\n", "LHLO x\r\n", "MAIL FROM:<a@b>\r\n", "MAIL FROM:<> BODY=BINARYMIME\r\n", "RCPT TO:<c@d>\r\n",
    "RCPT TO:<no@d>\r\n", "DATA\r\n", ".\r\n", "BDAT 5\r\n", "BDAT 3 LAST\r\n", "BDAT 0 LAST\r\n", "RSET\r\n", "NOOP\r\n", "QUIT\r\n",
    "STARTTLS\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n", "*\r\n", "YQ==\r\n", "VRFY x\r\n", "HELP\r\n",
  ) },
  { weight: 2, arbitrary: fc.constantFrom("\r", "\n", "\r\n", ".", "\0", " ", "\xff", "<", ">", "MAIL FROM:", "x".repeat(600), "x".repeat(3000), "\x16\x03") },
  { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 30 }) },
); // prettier-ignore

const wire = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
const kinds = fc.constantFrom<ServerProtocolSettings["kind"]>("mx", "submission", "lmtp");
const starts = [
  "",
  "EHLO x\r\nLHLO x\r\n",
  "EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n",
  "EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
  "EHLO x\r\nLHLO x\r\nAUTH PLAIN\r\n",
  "EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabc",
];

const judge: Judge = (event) => {
  if (event.kind === "recipient" && event.forwardPath.localPart === "no") return reply(550, "5.1.1", "No");
  if (event.kind === "auth" && event.initialResponse === undefined) return { challenge: Buffer.from("?") };
  if (event.kind === "starttls") return reply(454, "4.7.0", "Not now");
  return "proceed";
};

function converse(kind: ServerProtocolSettings["kind"], chunks: readonly string[]): Conversation {
  const settings = {
    kind,
    tlsAvailable: true,
    authMechanisms: { clear: ["PLAIN"], tls: ["PLAIN"] },
    messageBytesMax: 4000,
  };
  const conversation = new Conversation(settings, judge);
  for (const chunk of chunks) {
    conversation.send(chunk);
    // A line, or the largest response to a challenge, may be incomplete; nothing else is kept.
    assert.ok(conversation.core.bufferedBytes <= 12_290);
  }
  return conversation.end();
}

function cut(text: string, lengths: readonly number[]): string[] {
  const chunks: string[] = [];
  let position = 0;
  for (const length of lengths) chunks.push(text.slice(position, (position += length)));
  return [...chunks, text.slice(position)];
}

test("fuzz: any octets in any cut give the same replies and messages, and never an exception", () => {
  fc.assert(
    fc.property(
      kinds,
      fc.constantFrom(...starts),
      wire,
      fc.array(fc.nat({ max: 40 }), { maxLength: 40 }),
      (kind, start, octets, lengths) => {
        const whole = converse(kind, [start + octets]);
        const parts = converse(kind, cut(start + octets, lengths));
        const text = whole.read();
        assert.match(text, /^(?:\d{3}[ -][ -~]*\r\n)*$/);
        // What follows STARTTLS, or refused content, in one piece closes the session; in pieces it may come in time.
        const early = ["plaintext-after-starttls", "sent-ahead"];
        if (early.includes(whole.closeCause ?? "") || early.includes(parts.closeCause ?? "")) return;
        if (!octets.includes("STARTTLS")) {
          assert.equal(parts.read(), text);
          assert.deepEqual(parts.messages, whole.messages);
          assert.equal(parts.closeCause, whole.closeCause);
        }
        assert.equal(whole.kinds.at(-1), "closed");
      },
    ),
    { numRuns: 3000 },
  );
});

test("found by fuzzing: octets of a TLS record inside a dropped line mean nothing", () => {
  for (const chunks of [
    ["\nEHLO x\r\n\x16\x03\r\n"],
    ["\nEHLO", " x\r\n", "\x16\x03\r\n"],
    ["\n", "\x16\x03\r\n\x16\x03\r\n"],
  ]) {
    assert.equal(converse("mx", chunks).closeCause, "lost");
  }
});

test("fuzz: one reply to each command line", () => {
  const command = fc.constantFrom(
    "EHLO x",
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
    "RSET",
    "NOOP",
    "FOO",
    "VRFY x",
    "",
    "BDAT 0",
    "MAIL",
    "STARTTLS",
    "EXPN x",
    "HELP",
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 15 }), (lines) => {
      const conversation = new Conversation({ errorsMax: 1000 });
      conversation.read();
      conversation.send(lines.map((line) => `${line}\r\n`).join(""));
      assert.equal(conversation.read().match(/^\d{3} /gm)?.length ?? 0, lines.length);
    }),
  );
});
