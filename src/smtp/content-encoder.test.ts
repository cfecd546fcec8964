import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { BareLineEndError, ContentEncoder } from "./content-encoder.ts";

function encode(message: Uint8Array, pieceBytes = Number.MAX_SAFE_INTEGER): Buffer {
  const encoder = new ContentEncoder();
  const output: Uint8Array[] = [];
  for (let offset = 0; offset < message.length; offset += pieceBytes) {
    encoder.encode(message.subarray(offset, offset + pieceBytes), output);
  }
  encoder.finish(output);
  return Buffer.concat(output);
}

test("SMTPC-018: every sending vector of data transparency, whole and in pieces", async (t) => {
  interface Vector {
    readonly direction: string;
    readonly message?: string;
    readonly wire: string;
  }
  const data = readVectors<{ readonly cases: readonly Vector[] }>(t, "smtp", "data-transparency.json");
  if (data === undefined) return;
  const nameOf = ({ direction, message }: Vector): string => `${direction} ${JSON.stringify(message)}`;
  await runVectors(t, "smtp/data-transparency, sending", data.cases, nameOf, ({ direction, message, wire }) => {
    if (direction !== "send" || message === undefined) return { skipped: "receiving" };
    const bytes = Buffer.from(message, "latin1");
    if (/(?<!\r)\n|\r(?!\n)/.test(message)) {
      assert.throws(() => encode(bytes), BareLineEndError);
      return undefined;
    }
    for (const pieceBytes of [Number.MAX_SAFE_INTEGER, 1, 2]) {
      assert.equal(encode(bytes, pieceBytes).toString("latin1"), wire);
    }
    return undefined;
  });
});

test("ordinary content comes out as the same memory, not as a copy", () => {
  const content = Buffer.from("Subject: x\r\n\r\nno dot starts a line. Not one.\r\n");
  const output: Uint8Array[] = [];
  new ContentEncoder().encode(content, output);
  assert.equal(output.length, 1);
  assert.equal(output[0], content);
});

test("SMTPC-019: a bare CR or LF never goes out, wherever the pieces are cut", () => {
  for (const text of ["a\nb\r\n", "a\rb\r\n", "a\r", "\n.\n", "\r.\r\n", "a\r\r\n", "\r\n.\nMAIL FROM:<>\r\n"]) {
    for (const pieceBytes of [Number.MAX_SAFE_INTEGER, 1]) {
      assert.throws(() => encode(Buffer.from(text), pieceBytes), BareLineEndError, JSON.stringify(text));
    }
  }
});

test("whatever the lines are, decoding gives them back and the end of data stands only at the end", () => {
  const line = fc.stringMatching(/^[.a]{0,4}$/);
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 5 }),
      (lines, ended, piece) => {
        const text = lines.join("\r\n") + (ended && lines.length > 0 ? "\r\n" : "");
        const wire = encode(Buffer.from(text), piece).toString();
        assert.ok(wire === ".\r\n" || wire.endsWith("\r\n.\r\n"));
        const body = wire.slice(0, -3);
        assert.ok(!`\r\n${body}`.includes("\r\n.\r\n"));
        const decoded = body.replaceAll(/(^|\r\n)\./g, "$1");
        assert.equal(decoded, text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`);
      },
    ),
  );
});
