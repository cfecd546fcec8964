import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { conformancePath, reportVectors } from "../testing/conformance-data.ts";
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

const vectorFile = conformancePath("smtp/data-transparency.json");

test(
  "SMTPC-018: every sending vector of data transparency, whole and in pieces",
  {
    skip: vectorFile === undefined && "conformance data is not here",
  },
  (t) => {
    const { cases } = JSON.parse(readFileSync(vectorFile ?? "", "utf8")) as {
      readonly cases: readonly { readonly direction: string; readonly message?: string; readonly wire: string }[];
    };
    const sending = cases.filter(({ direction, message }) => direction === "send" && message !== undefined);
    assert.ok(sending.length > 5);
    for (const { message = "", wire } of sending) {
      const bytes = Buffer.from(message, "latin1");
      if (/(?<!\r)\n|\r(?!\n)/.test(message)) {
        assert.throws(() => encode(bytes), BareLineEndError, JSON.stringify(message));
        continue;
      }
      for (const pieceBytes of [Number.MAX_SAFE_INTEGER, 1, 2]) {
        assert.equal(encode(bytes, pieceBytes).toString("latin1"), wire, JSON.stringify(message));
      }
    }
    const passed = sending.length;
    reportVectors(t, { set: "smtp/data-transparency, sending", passed, skipped: cases.length - passed });
  },
);

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
