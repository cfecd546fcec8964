import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatMailbox } from "../address/mailbox-text.ts";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { parseAddressList } from "./address-list.ts";

/** `name|address|group` for each mailbox, or undefined for a malformed list. */
function read(value: string): readonly string[] | undefined {
  const list = parseAddressList(value);
  if (list.kind === "malformed") return undefined;
  return list.mailboxes.map(({ name, mailbox, group }) =>
    [name ?? "", formatMailbox(mailbox), ...(group === undefined ? [] : [group])].join("|"),
  );
}

const lists: readonly (readonly [string, readonly string[]])[] = [
  ["ann@example.org", ["|ann@example.org"]],
  ["Ann <ann@example.org>", ["Ann|ann@example.org"]],
  ["<ann@example.org>", ["|ann@example.org"]],
  ['"Giant; \\"Big\\" Box" <a@b>, Joe Q. Public <c@d>', ['Giant; "Big" Box|a@b', "Joe Q. Public|c@d"]],
  ["grüße <grün@bücher.example>", ["grüße|grün@bücher.example"]],
  ['"a@evil.example x"@good.example', ['|"a@evil.example x"@good.example']],
  ['"Ann" <"a b"@[192.0.2.1]>', ['Ann|"a b"@[192.0.2.1]']],
  ["Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", ["Pete|pete@silly.test"]],
  ["Mary <@node.test:mary@example.net>, , jdoe@test  . example", ["Mary|mary@example.net", "|jdoe@test.example"]],
  ["Mary <@a.test,@b.test:mary@example.net>", ["Mary|mary@example.net"]],
  ["Friends: a@b, C <c@d>;, e@f", ["|a@b|Friends", "C|c@d|Friends", "|e@f"]],
  ["undisclosed-recipients:;", []],
  ["a:;, b:;", []],
  ["", []],
  [" , ,", []],
  ["=?utf-8?Q?Andr=C3=A9?= <a@b>", ["=?utf-8?Q?Andr=C3=A9?=|a@b"]],
  ["ann@example.org <Ann@EXAMPLE.org>", ["ann@example.org|Ann@EXAMPLE.org"]],
  ["ann (at home) . lee @ example.org", ["|ann.lee@example.org"]],
  ["[JIRA] Bot <bot@b>", ["[JIRA] Bot|bot@b"]],
  ['"".a@b', ['|".a"@b']],
];
for (const [value, expected] of lists) {
  test(`HDR-009: address list ${value}`, () => assert.deepEqual(read(value), expected));
}

const malformed = [
  "a@@b",
  "ann",
  "@b",
  "a@",
  "a b@c",
  "<a@b",
  "a@b>",
  "<<a@b>>",
  "<a@b> c",
  "Ann <a@b> <c@d>",
  "<a@b, c@d>",
  "ceo@victim.example <me@evil.example>",
  "Foo, Bar <a@b>",
  '"open <a@b>',
  "(open <a@b>",
  "x) <a@b>",
  "Group: a@b",
  "Group: a@b; c@d",
  "A: B: a@b;;",
  "a@b;",
  ":;",
  '"x"a@b',
  "a..b@c",
  ".a@b",
  "a@b..c",
  "a@b.",
  "a@[x",
  "a@b\0c",
  "a\\b@c",
  'a@"b"',
  "=?utf-8?Q?a@b?= <c@d>",
];
for (const value of malformed) {
  test(`SUB-004: ${JSON.stringify(value)} is malformed, not guessed at`, () => assert.equal(read(value), undefined));
}

test("hostile lists end in an answer: nesting, endless comments, very many addresses", () => {
  assert.equal(read(`${"(".repeat(100_000)}a@b`), undefined);
  assert.equal(read("a@b,".repeat(20_000))?.length, 20_000);
  assert.equal(read("a@b,".repeat(40_000)), undefined);
  assert.equal(read(`${"a:".repeat(1000)}`), undefined);
});

test("any text is read or refused, never thrown at", () => {
  const piece = fc.constantFrom(
    "a",
    "@",
    ".",
    "<",
    ">",
    ",",
    ";",
    ":",
    '"',
    "\\",
    "(",
    ")",
    "[",
    "]",
    " ",
    "\0",
    "é",
    "\ud800",
    "b.c",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      const list = parseAddressList(pieces.join(""));
      if (list.kind === "malformed") return assert.match(list.reason, /^[ -~]+$/);
      // What was read is safe to write, and means the same when it is read again.
      for (const { mailbox } of list.mailboxes) {
        const again = parseAddressList(formatMailbox(mailbox));
        assert.deepEqual(again.kind === "list" && again.mailboxes[0]?.mailbox, mailbox);
      }
    }),
    { numRuns: 3000 },
  );
});

test("address lists of real mail read as the vectors say", async (t) => {
  interface Entry {
    readonly address: string | null;
  }
  interface Vector {
    readonly header: string;
    readonly expected: { readonly List?: Entry[]; readonly Group?: { readonly addresses: Entry[] }[] };
  }
  const vectors = readVectors<readonly Vector[]>(t, "addresses", "mail-parser-address.json");
  if (vectors === undefined) return;
  const nameOf = ({ header }: Vector): string => header;
  await runVectors(t, "addresses/mail-parser", vectors, nameOf, ({ header, expected }) => {
    const value = header.replaceAll(/\r?\n(?=[ \t])/g, "").trim();
    const list = parseAddressList(value);
    if (list.kind === "malformed") return { skipped: "malformed; the origin guesses at such lists" };
    const entries = expected.List ?? expected.Group?.flatMap(({ addresses }) => addresses) ?? [];
    const wanted = entries.map(({ address }) => (address ?? "").replace(/^@[^:]*:/, "").replaceAll(/\s/g, ""));
    assert.deepEqual(
      list.mailboxes.map(({ mailbox }) => formatMailbox(mailbox)),
      wanted,
    );
    return undefined;
  });
});

test("SUB-004: what validators call broken is malformed in a header too, but for its obsolete forms", async (t) => {
  const vectors = readVectors<readonly string[]>(t, "addresses", "flanker-mailbox-invalid.json");
  if (vectors === undefined) return;
  const nameOf = (value: string): string => value;
  await runVectors(t, "addresses/flanker-invalid", vectors, nameOf, (value) => assert.equal(read(value), undefined));
});
