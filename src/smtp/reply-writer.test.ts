import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatReply } from "./reply-writer.ts";
import { reply } from "./reply.ts";

test("replies have code, hyphen or space, and status on each line", () => {
  assert.equal(formatReply(reply(250, "2.1.0", "Ok")), "250 2.1.0 Ok\r\n");
  assert.equal(formatReply(reply(250, undefined, "a", "b", "c")), "250-a\r\n250-b\r\n250 c\r\n");
  assert.equal(formatReply({ code: 250, lines: [] }), "250 \r\n");
});

test("an empty challenge is 334 with its space", () => {
  assert.equal(formatReply(reply(334, undefined, "")), "334 \r\n");
});

test("SMTP-021 ESC-003: a 2 KB text becomes several lines of at most 512 octets, each with code and status", () => {
  for (const text of ["x".repeat(2048), "word ".repeat(410)]) {
    const lines = formatReply(reply(550, "5.7.1", text))
      .split("\r\n")
      .slice(0, -1);
    assert.ok(lines.length >= 5);
    for (const [index, line] of lines.entries()) {
      assert.ok(line.length + 2 <= 512);
      assert.match(line, index === lines.length - 1 ? /^550 5\.7\.1 / : /^550-5\.7\.1 /);
    }
    const joined = lines.map((line) => line.slice(10)).join(text.includes(" ") ? " " : "");
    assert.equal(joined.trimEnd(), text.trimEnd());
  }
});

test("SMTP-022: control octets and 8-bit data never leave in a reply", () => {
  assert.equal(formatReply(reply(550, "5.1.1", "a\r\n250 b\u001b\0é😀")), "550 5.1.1 a??250 b????\r\n");
});

test("property: any text gives well-formed lines with one code", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 1200 }), { maxLength: 4 }), (lines) => {
      const written = formatReply({ code: 451, status: "4.3.0", lines });
      const parts = written.split("\r\n");
      assert.equal(parts.pop(), "");
      for (const [index, part] of parts.entries()) {
        assert.ok(part.length <= 510);
        assert.match(part, index === parts.length - 1 ? /^451 4\.3\.0 [ -~]*$/ : /^451-4\.3\.0 [ -~]*$/);
      }
    }),
  );
});
