/** Mailboxes, paths and domains: tables, the collected conformance data, and properties. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { readVectors, vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { domainKeyOf } from "./domain.ts";
import { formatMailbox, mailboxKey, parseMailbox } from "./mailbox-text.ts";
import { parseForwardPath, parseReversePath } from "./path.ts";

const utf8 = { smtpUtf8: true };
const ascii = { smtpUtf8: false };

function mailboxOf(text: string): { localPart: string; domain: string; domainKey: string } {
  const parsed = parseForwardPath(text, utf8);
  assert.equal(parsed.kind, "path", text);
  return parsed.path;
}

function failureOf(text: string, options = ascii): string {
  const parsed = parseReversePath(text, options);
  return parsed.kind === "failure" ? parsed.reason : "none";
}

test("SMTP-025: paths need angle brackets; <> is a reverse-path and no recipient", () => {
  assert.equal(failureOf("a@b.example"), "syntax");
  assert.deepEqual(parseReversePath("<> SIZE=1", ascii), { kind: "path", path: null, end: 2 });
  const recipient = parseForwardPath("<>", ascii);
  assert.equal(recipient.kind === "failure" && recipient.reason, "null-path");
});

test("SMTP-026: source routes are parsed and ignored, wrong ones refused", () => {
  assert.deepEqual(mailboxOf("<@a.example,@b.example:u@local.example>"), {
    localPart: "u",
    domain: "local.example",
    domainKey: "local.example",
  });
  for (const bad of ["<@a.example>", "<@a.example,b.example:u@c>", "<@:u@c>", "<@a..b:u@c>", "<@a,@b", "<@a,", "<@"]) {
    assert.equal(failureOf(bad), "syntax", bad);
  }
});

test("SMTP-027: quoted local-parts keep @ > space and backslash inside, and equal their plain spelling", () => {
  assert.deepEqual(mailboxOf('<"a@b >c"@local.example> NOTIFY=NEVER'), {
    localPart: "a@b >c",
    domain: "local.example",
    domainKey: "local.example",
  });
  assert.equal(mailboxKey(mailboxOf('<"joe"@d>')), mailboxKey(mailboxOf("<joe@d>")));
  assert.equal(mailboxOf(String.raw`<"j\o\"e\\"@d>`).localPart, String.raw`jo"e\ `.trimEnd());
  assert.equal(mailboxOf('<""@d>').localPart, "");
});

test("trap 19: a domain inside quotes never wins", () => {
  assert.equal(mailboxOf('<"a@evil.example x"@good.example>').domainKey, "good.example");
});

test("SMTP-028: control octets are refused, and octets above 127 without SMTPUTF8", () => {
  for (const code of [...Array(32).keys(), 127]) {
    const octet = String.fromCharCode(code);
    for (const text of [`<a${octet}b@x>`, `<"a${octet}b"@x>`, `<"a\\${octet}"@x>`, `<a@x${octet}y>`, `<a@x${octet}>`]) {
      assert.equal(failureOf(text), "syntax", JSON.stringify(text));
    }
  }
  assert.equal(failureOf("<é@x>"), "non-ascii");
  assert.equal(failureOf("<a@é>"), "non-ascii");
  assert.equal(failureOf("<@é:a@x>"), "non-ascii");
  assert.equal(failureOf("<a@x\u0085>", utf8), "syntax");
  assert.equal(failureOf("<a\u0085@x>", utf8), "syntax");
  assert.equal(failureOf('<"\ud800"@x>', utf8), "syntax");
  // UTF-8 may stand in quotes, and never behind a backslash (RFC 6531 §3.3).
  for (const path of [String.raw`<"test\©"@x>`, String.raw`<"\é"@x>`])
    assert.equal(failureOf(path, utf8), "syntax", path);
  assert.equal(failureOf('<"test©"@x>', utf8), "none");
});

test("SMTP-029: labels are letters, digits, underscores and inner hyphens", () => {
  const bad = ["-x.example", "x-.example", "x..y", ".x", "x.", "x y", "x,y", "", `${"a".repeat(64)}.example`];
  for (const domain of bad) assert.equal(failureOf(`<a@${domain}>`), "syntax", domain);
  for (const domain of [
    "x",
    "my_app.local",
    "_x.example",
    "x_",
    "3com.example",
    "r3---sn.example",
    "a-b.c",
    "1.2.3.4",
  ]) {
    assert.equal(failureOf(`<a@${domain}>`), "none", domain);
  }
});

test("dots may stand anywhere in a local-part, and are written in quotes where the grammar wants them", () => {
  for (const localPart of ["try..this..0511", "xxx.yyy.", ".lead", "...a...", "a.b"]) {
    const mailbox = mailboxOf(`<${localPart}@docomo.example>`);
    assert.equal(mailbox.localPart, localPart);
    const written = formatMailbox(mailbox);
    assert.equal(written, localPart === "a.b" ? "a.b@docomo.example" : `"${localPart}"@docomo.example`);
    assert.deepEqual(parseMailbox(written), mailbox);
  }
  for (const path of ["<.@x>", "<..@x>", "<@x>"]) assert.equal(failureOf(path), "syntax", path);
});

test("for a client of our own brackets may be missing, and a domain that is missing is completed", () => {
  const own = { smtpUtf8: false, completeWith: "mail.example.org" };
  const read = (text: string, options: Parameters<typeof parseForwardPath>[1] = own) => {
    const parsed = parseForwardPath(text, options);
    return parsed.kind === "path" ? `${formatMailbox(parsed.path)}|${text.slice(parsed.end)}` : parsed.text;
  };
  assert.equal(read("ann@example.org"), "ann@example.org|");
  assert.equal(read("ann@example.org NOTIFY=NEVER"), "ann@example.org| NOTIFY=NEVER");
  assert.equal(read("<root>"), "root@mail.example.org|");
  assert.equal(read("root SIZE=1"), "root@mail.example.org| SIZE=1");
  assert.equal(read('<"a b">'), '"a b"@mail.example.org|');
  assert.equal(read("<@a.example,@b.example:root>"), "root@mail.example.org|");
  assert.equal(read("<postmaster>"), "postmaster|");
  for (const bad of [
    "<root",
    "root>",
    "ann@example.org>",
    "<ann@example.org",
    "<ann@>",
    "ann@",
    "",
    "<>",
    "a b@c",
    "<a,b>",
    `<${"a".repeat(65)}>`,
  ]) {
    assert.equal(parseForwardPath(bad, own).kind, bad === "a b@c" ? "path" : "failure", bad);
  }
  // What follows the blank is no parameter, and is refused as such.
  assert.equal(read("a b@c"), "a@mail.example.org| b@c");
  assert.match(read("ann@example.org", ascii), /angle brackets/);
  assert.match(read("<root>", ascii), /no domain/);
});

test("SMTP-030: address literals are parsed and normalised", () => {
  const key = (literal: string): string | undefined => domainKeyOf(literal);
  assert.equal(key("[192.0.2.1]"), "[192.0.2.1]");
  assert.equal(key("[IPv6:2001:DB8:0:0:0:0:0:1]"), "[IPv6:2001:db8::1]");
  assert.equal(key("[ipv6:::ffff:192.0.2.1]"), "[192.0.2.1]");
  const bad = [
    "[1.2.3.999]",
    "[1.2.3]",
    "[01.2.3.4]",
    "[2001:db8::1]",
    "[IPv6:1.2.3.4]",
    "[IPv6:::1",
    "[]",
    "[x:y]",
    "[IPv6:fe80::1%e]",
  ];
  for (const literal of bad) assert.equal(key(literal), undefined, literal);
  for (const literal of bad) assert.equal(failureOf(`<a@${literal}>`), "syntax", literal);
});

test("SMTP-033: <postmaster> needs no domain, in any letter case, in RCPT only", () => {
  for (const name of ["postmaster", "PostMaster", "POSTMASTER"]) {
    assert.deepEqual(parseForwardPath(`<${name}> x`, ascii), {
      kind: "path",
      path: { localPart: name, domain: "", domainKey: "" },
      end: 12,
    });
    assert.equal(failureOf(`<${name}>`), "syntax");
  }
  assert.equal(parseForwardPath("<abuse>", ascii).kind, "failure");
  assert.equal(parseForwardPath("<postmasters>", ascii).kind, "failure");
  assert.equal(parseForwardPath("<postmaster@>", ascii).kind, "failure");
});

test("SMTP-034: the limits themselves are accepted, one more is not", () => {
  const label = "d".repeat(62);
  const local64 = "l".repeat(64);
  assert.equal(failureOf(`<${local64}@x>`), "none");
  assert.equal(failureOf(`<${local64}l@x>`), "too-long");
  assert.equal(failureOf(`<"${local64.slice(2)}"@x>`), "none");
  assert.equal(failureOf(`<"${local64}"@x>`), "too-long");
  const path256 = `<a@${label}.${label}.${label}.${"d".repeat(63)}>`;
  assert.equal(path256.length, 256);
  assert.equal(failureOf(path256), "none");
  assert.equal(failureOf(`<aa${path256.slice(2)}`), "too-long");
  assert.notEqual(domainKeyOf(`${label}.${label}.${label}.${label}.ddd`), undefined);
  assert.equal(domainKeyOf(`${label}.${label}.${label}.${label}.dddd`), undefined);
  assert.equal(failureOf(`<${"é".repeat(32)}@x>`, utf8), "none");
  assert.equal(failureOf(`<${"é".repeat(33)}@x>`, utf8), "too-long");
});

test("EAI-003 EAI-007: U-labels are accepted and have the key of their A-labels", () => {
  assert.equal(mailboxOf("<u@bücher.example>").domainKey, "xn--bcher-kva.example");
  assert.equal(mailboxKey(mailboxOf("<u@BÜCHER.example>")), mailboxKey(mailboxOf("<u@XN--bcher-KVA.example>")));
  assert.equal(domainKeyOf("faß.example"), "xn--fa-hia.example");
  assert.equal(domainKeyOf("ΒΌΛΟΣ.example"), domainKeyOf("βόλοσ.example"));
});

test("EAI-011: composed and decomposed spellings have one key, look-alikes none", () => {
  assert.equal(mailboxKey(mailboxOf("<re\u0301@e\u0301.example>")), mailboxKey(mailboxOf("<r\u00e9@\u00e9.example>")));
  const surprises = [
    "%41.com",
    "ａ.com",
    "①.com",
    "ﬁ.com",
    "a\u00adb.com",
    "exa\u200bmple.com",
    "ex。ample",
    "１.２.３.４",
  ];
  for (const domain of surprises) assert.equal(domainKeyOf(domain), undefined, domain);
  for (const domain of ["é/b", "é?b", "é#b", "a@é", "é:80", "é%41", "xn--a", "xn--", "\u202eé", "é-", "é_"]) {
    assert.equal(domainKeyOf(domain), undefined, domain);
  }
  assert.equal(domainKeyOf("0x7f.1"), "0x7f.1");
  assert.equal(domainKeyOf("ü".repeat(63)), undefined);
});

test("trap 20: a local-part cannot break out of a path", () => {
  const mailbox = { localPart: "x> ORCPT=rfc822;y", domain: "d", domainKey: "d" };
  assert.equal(formatMailbox(mailbox), '"x> ORCPT=rfc822;y"@d');
  assert.equal(formatMailbox({ ...mailbox, localPart: 'a"b\\c' }), String.raw`"a\"b\\c"@d`);
  for (const localPart of ["a\r\nb", "a\0b", "a\u007fb", "a\u0085b", "\ud800"]) {
    assert.throws(() => formatMailbox({ ...mailbox, localPart }), RangeError);
  }
  for (const domain of ["d>", "d x", "d\r\n", "[1.2.3.4"]) {
    assert.throws(() => formatMailbox({ ...mailbox, domain }), RangeError);
  }
  assert.equal(formatMailbox({ localPart: "postmaster", domain: "", domainKey: "" }), "postmaster");
});

test("property: what is parsed is written so that it parses to the same", () => {
  const character = fc.constantFrom(...'ab.@"\\ <>é,:;()[]%!');
  fc.assert(
    fc.property(fc.array(character, { maxLength: 20 }), (characters) => {
      const localPart = characters.join("");
      const written = formatMailbox({ localPart, domain: "x.example", domainKey: "x.example" });
      assert.equal(parseMailbox(written)?.localPart, localPart);
      assert.deepEqual(mailboxOf(`<${written}>`), parseMailbox(written));
    }),
  );
});

test("property: any text gives a value or a failure, never an exception", () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      "<",
      ">",
      "@",
      '"',
      "\\",
      ".",
      "a",
      "é",
      "[",
      "]",
      ":",
      "IPv6",
      "1",
      ",",
      "\r",
      "\n",
      "\0",
      "xn--",
      "\ud800",
    ),
  });
  fc.assert(
    fc.property(hostile, (text) => {
      for (const options of [utf8, ascii]) {
        const parsed = parseReversePath(`<${text}`, options);
        if (parsed.kind === "path" && parsed.path)
          assert.doesNotThrow(() => formatMailbox(parsed.path ?? assert.fail()));
        parseForwardPath(text, options);
      }
      parseMailbox(text);
      domainKeyOf(text);
    }),
    { numRuns: 2000 },
  );
});

interface PathCase {
  readonly kind: "localpart" | "mailbox" | "reverse-path" | "forward-path";
  readonly input: string;
  readonly ok: boolean;
  readonly notes: string;
  readonly smtputf8?: boolean;
  readonly ascii_domain?: string;
}

test("conformance: smtp-paths", async (t) => {
  const vectors = readVectors<readonly PathCase[]>(t, "addresses", "smtp-paths.json");
  if (vectors === undefined) return;
  const nameOf = ({ kind, input }: PathCase): string => `${kind} ${input}`;
  await runVectors(t, "addresses/smtp-paths", vectors, nameOf, (vector) => {
    const options = { smtpUtf8: vector.smtputf8 === true };
    const { input } = vector;
    const parsed =
      vector.kind === "forward-path"
        ? parseForwardPath(input, options)
        : parseReversePath(
            vector.kind === "localpart" ? `<${input}@x>` : vector.kind === "mailbox" ? `<${input}>` : input,
            options,
          );
    assert.equal(parsed.kind === "path", vector.ok, JSON.stringify(vector));
    if (vector.ascii_domain !== undefined) {
      assert.equal(parsed.kind === "path" && parsed.path?.domainKey, vector.ascii_domain);
    }
  });
});

/** "::" for a single group is out of favour but clear (RFC 4291 §2.2). */
const isemailAccepted = new Set(["ISEMAIL_RFC5321_IPV6DEPRECATED"]);

test("conformance: isemail, for the envelope", async (t) => {
  const path = vectorPath(t, "addresses", "isemail-tests.xml");
  if (path === undefined) return;
  const envelope = new Set(["ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"]);
  const xml = readFileSync(path, "utf8");
  const cases = [...xml.matchAll(/<test id="[^"]*">(.*?)<\/test>/gs)].map(([, body = ""]) => {
    const field = (name: string): string => new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(body)?.[1] ?? "";
    const address = field("address")
      .replace(/&#x([0-9A-F]+);/gi, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
      .replace(/&quot;/g, '"')
      .replace(/&lt;/g, "<")
      .replace(/&gt;/g, ">")
      .replace(/&amp;/g, "&")
      .replace(/[\u2400-\u241f]/g, (symbol) => String.fromCharCode(symbol.charCodeAt(0) - 0x2400));
    const expected = isemailAccepted.has(field("diagnosis")) || envelope.has(field("category"));
    return { address, expected, name: `${JSON.stringify(address)} ${field("category")} ${field("diagnosis")}` };
  });
  await runVectors(
    t,
    "addresses/isemail",
    cases,
    ({ name }) => name,
    ({ address, expected }) => assert.equal(parseMailbox(address) !== undefined, expected),
  );
});
