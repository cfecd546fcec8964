import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../testing/seeded-random.ts";
import { isValidMessageId, makeMessageId, messageIdRandomBytes } from "./message-id.ts";

test("HDR-008, trap 25: made identifiers are well formed and differ, even in the same millisecond", () => {
  const random = new SeededRandom(1);
  const seen = new Set<string>();
  for (let count = 0; count < 20_000; count++) {
    const id = makeMessageId({
      at: Date.UTC(2026, 0, 1),
      random: random.bytes(messageIdRandomBytes),
      host: "mail.example.org",
    });
    seen.add(id);
  }
  assert.equal(seen.size, 20_000);
  for (const id of [...seen].slice(0, 100)) {
    assert.match(id, /^<[a-z0-9]+\.[0-9a-f]{24}@mail\.example\.org>$/);
    assert.equal(isValidMessageId(id), true);
  }
});

const valid = [
  "<1234@local.machine.example>",
  "<a.b+c$d@x>",
  '<"quoted left"@example.org>',
  "<x@[192.0.2.1]>",
  "<grün@example.org>",
  "<a@b> (added by a program)",
  "<CAF=x_1-2@mail.gmail.com>",
];
const invalid = [
  "",
  "<>",
  "a@b",
  "<a>",
  "<a@b",
  "a@b>",
  "<a@b> <c@d>",
  "<<a@b>>",
  "<a@b@c>",
  "<a b@c>",
  "<a@b c>",
  "<.a@b>",
  "<a@b.>",
  "<@b>",
  "<a@>",
  `<${"a".repeat(1000)}@b>`,
];
test("SUB-006: valid and invalid identifiers are told apart", () => {
  for (const value of valid) assert.equal(isValidMessageId(value), true, value);
  for (const value of invalid) assert.equal(isValidMessageId(value), false, value);
});
