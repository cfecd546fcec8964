/** Links and codes, fault by fault. What whole messages give is in corpus.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findLinksAndCodes } from "./find.ts";

const inText = (text: string, subject = "") => findLinksAndCodes({ subject, text, html: "" });
const inHtml = (html: string, text = "") => findLinksAndCodes({ subject: "", text, html });

function table(
  name: string,
  rows: readonly (readonly [string, readonly string[]])[],
  find: (input: string) => unknown,
) {
  test(name, () => {
    for (const [input, expected] of rows) assert.deepEqual(find(input), expected, input);
  });
}

const codesOf = (text: string) => inText(text).codes;
const linksOf = (text: string) => inText(text).links;

table("codes are found where people would look for them", [
  ["Your verification code: 483-920\nIt is valid for 10 minutes.", ["483920"]],
  ["Use this code to sign in\n\nAB12CD\n", ["AB12CD"]],
  ["Hi\n\n  7731  \n\nBye", ["7731"]],
  ["Your code for order 12345678 is 4821", ["4821"]],
  ["Enter this code to confirm your order: 482913", ["482913"]],
], codesOf); // prettier-ignore

table("a code has many forms", [
  ["G-261764 is your verification code.", ["G-261764"]],
  ["Your code: ABC-123456", ["ABC-123456"]],
  ["Your code: ABCD-1234", ["ABCD-1234"]],
  ["Confirmation code: I6R-B2W", ["I6R-B2W"]],
  ["Enter the code WDJB-MJHT on your television.", ["WDJB-MJHT"]],
  ["Your code is k7f9q2", ["k7f9q2"]],
  ["Your temporary password is aB3dE9xQ", ["aB3dE9xQ"]],
  ["Your code: 12 34 56", ["123456"]],
  ["Your code: 1234 5678", ["12345678"]],
  ["Your code: 4 8 3 9 2 0", ["483920"]],
  ["OTP-482913 is valid for 5 minutes", ["482913"]],
  ["code-482913", ["482913"]],
  ["確認コード：４８３９２０", ["483920"]],
  ["Code: **482913**", ["482913"]],
  ["Your code: 4821", ["4821"]],
  ["Your code: 4821093756", ["4821093756"]],
  ["Your code: 48210937561", []],
  ["Your code: 123", []],
], codesOf); // prettier-ignore

table("numbers that are something else are no codes", [
  ["Order 12345678 of 2026 ships to 10115 Berlin", []],
  ["Invoice total: 1234.56 EUR, due 29.11.2026, 14:30", []],
  ["Call +49 30 123456 or (0800) 555-0199", []],
  ["© 2026 Example GmbH, Musterstr. 4711, 10115 Berlin, HRB 123456", []],
  ["Card ending in 4242, or **** 4242", []],
  ["Write to user4711@mail.example or see https://a.test/482913", []],
  ["Use promo code SAVE20 until 2027", []],
  ["Never tell anybody your password. Invoice 20481234", []],
], codesOf); // prettier-ignore

test("all candidates are returned, best first, each with its reason and place", () => {
  const { codes, code_candidates } = inText(
    "Order number: 12345678\nYour code is 4821.\nSince 1998",
    "4821 is your code",
  );
  assert.deepEqual(codes, ["4821"]);
  assert.deepEqual(
    code_candidates.map(({ value, reason, where }) => ({ value, reason, where })),
    [
      { value: "4821", reason: 'follows "code"', where: ["subject", "text"] },
      { value: "12345678", reason: 'stands before "code"; but it follows "Order number"', where: ["text"] },
      {
        value: "1998",
        reason: 'is in a sentence after "code", after another; but it may be a year',
        where: ["text"],
      },
    ],
  );
});

test("of a number that counts something the reason says what, beside it or after one space", () => {
  const reasonOf = (text: string) => inText(`Your code is 482913.\n${text}`).code_candidates[1]?.reason ?? "";
  for (const [text, counted] of [
    ["You have 5000 points", "points"],
    ["You have 5000\tpoints", "points"],
    ["You have 5000円", "円"],
  ] as const) {
    assert.ok(reasonOf(text).endsWith(`but it counts "${counted}"`), reasonOf(text));
  }
  for (const text of ["You have 5000\npoints", "You have 5000  points", "You have 5000, points"]) {
    assert.doesNotMatch(reasonOf(text), /it counts/, text);
  }
});

test("a code that stands only in the HTML, or only in the subject, is found", () => {
  assert.deepEqual(inHtml("<p>Your code is <b>482913</b></p>", "Please view this message as HTML.").codes, ["482913"]);
  assert.deepEqual(inText("Please come back to the page.", "482913 is your Acme code").codes, ["482913"]);
});

test("digits in spans, cells and blocks of their own are one code", () => {
  const around = (digits: string) => `<h1>Your code</h1>${digits}<p>It expires in 10 minutes.</p>`;
  const each = (before: string, after: string) => [..."483920"].map((digit) => before + digit + after).join("");
  for (const digits of [
    `<div>${each("<span>", "</span>")}</div>`,
    `<div>${each("<span>", "</span>\n")}</div>`,
    `<table><tr>${each("<td>", "</td>")}</tr></table>`,
    `<table><tr>${each("<td><table><tr><td>", "</td></tr></table></td>")}</tr></table>`,
    each("<div>", "</div>"),
    each("<p>", "</p>\n"),
    "<b>483</b> <b>920</b>",
    "&#52;&#x38;&#51;&#57;2&#48;",
    "483&zwnj;920",
  ]) {
    assert.deepEqual(inHtml(around(digits)).codes, ["483920"], digits);
  }
});

table("a URL in text ends where a reader would end it", [
  ["see https://a.test/x, and (http://b.test/y).", ["https://a.test/x", "http://b.test/y"]],
  ["https://a.test/Foo_(bar) and (https://a.test/Foo_(baz)).", ["https://a.test/Foo_(bar)", "https://a.test/Foo_(baz)"]],
  ["「https://a.test/x」をご覧ください", ["https://a.test/x"]],
  ["详情见https://a.test/x。谢谢", ["https://a.test/x"]],
  ["请点击https://a.test/x完成验证", ["https://a.test/x"]],
  ["https://ja.example/wiki/日本語 と", ["https://ja.example/wiki/日本語"]],
  ["{https://a.test/x} [https://a.test/y] <https://a.test/z>", ["https://a.test/x", "https://a.test/y", "https://a.test/z"]],
  ["https://a.test/{id}", ["https://a.test/{id}"]],
  ["{https://a.test/{id}/y?z={n}}.", ["https://a.test/{id}/y?z={n}"]],
  ["https://a.test/id} (https://b.test/{id})", ["https://a.test/id", "https://b.test/{id}"]],
  ["[Confirm](https://a.test/x) **https://a.test/y**", ["https://a.test/x", "https://a.test/y"]],
  ["http://[2001:db8::1]:8080/x", ["http://[2001:db8::1]:8080/x"]],
  ["https://a.test/?u=https://b.test/&x=1!", ["https://a.test/?u=https://b.test/&x=1"]],
  ["https://a.test/t=eyJ_-a_", ["https://a.test/t=eyJ_-a_"]],
  ['"https://a.test/x"\'https://a.test/y\'', ["https://a.test/x", "https://a.test/y"]],
], linksOf); // prettier-ignore

table("a URL between angle brackets may be folded (RFC 3986 appendix C)", [
  ["<https://a.test/a-long/\n  path?token=\r\nabc> x", ["https://a.test/a-long/path?token=abc"]],
  ["<URL:https://a.test/x\n/y>", ["https://a.test/x/y"]],
  ["<https://a.test/x and more\nwords>", ["https://a.test/x"]],
  ["<https://a.test/x\n\nnext>", ["https://a.test/x"]],
  ["<https://a.test/x <https://a.test/y\nz>", ["https://a.test/x", "https://a.test/yz"]],
], linksOf); // prettier-ignore

test("character references in HTML links are decoded; in the parameters of a URL only whole ones", () => {
  const rows = [
    ["https:&#x2F;&#x2F;a.test&#47;x", "https://a.test/x"],
    ["https&colon;&sol;&sol;a.test/?a=1&amp;b=2&#x26;c=3", "https://a.test/?a=1&b=2&c=3"],
    ["https://a.test/?a=1&copy=2&reg=3&lt=4", "https://a.test/?a=1&copy=2&reg=3&lt=4"],
    ["https://a.test/&#128;&eacute;&#0;", "https://a.test/€é\ufffd"],
    ["\n https://a.test/\n x ", "https://a.test/ x"],
  ];
  for (const [href, url] of rows) assert.deepEqual(inHtml(`<a href="${href}">x</a>`).links, [url]);
  assert.deepEqual(inHtml(`<a href='https://a.test/?q="x"'>x</a>`).links, ['https://a.test/?q="x"']);
  assert.deepEqual(inHtml(`<A HREF=https://a.test/x/>x</A>`).links, ["https://a.test/x/"]);
});

test("style sheets, images and comments hold no links", () => {
  const html = `<!doctype html><head><link rel=stylesheet href="https://no.test/a.css"><style>a{background:url(https://no.test/b)}</style>
    <title>https://no.test/t</title></head><!-- <a href="https://no.test/c">c</a> --><!--[if mso]><a href="https://no.test/d">d</a><![endif]-->
    <img src="https://no.test/e.png"><a href="cid:1">x</a><a href="javascript:x()">x</a><a href="x-apple-data-detectors://0">x</a><a href="#top">x</a><a href="/relative">x</a>
    <a href="https://yes.test/">yes</a><script>"https://no.test/f"</script>`;
  assert.deepEqual(inHtml(html).links, ["https://yes.test/"]);
});

test("links come with the text of their anchors, and with their kind", () => {
  const html = `<a href="https://a.test/logo"><img src=x alt="Acme
    Inc."></a><a href="https://a.test/confirm"><table><tr><td>Confirm</td><td>now</td></tr></table></a>
    <a href="myapp://reset?t=1">Open in the app</a><a href="mailto:help@a.test">Write</a><a href="tel:+49301234">Call</a> or https://a.test/bare
    <a href="https://a.test/confirm">https://shown.test/</a>`;
  const { links, link_details } = inHtml(html);
  assert.deepEqual(links, [
    "https://a.test/logo",
    "https://a.test/confirm",
    "myapp://reset?t=1",
    "https://a.test/bare",
  ]);
  assert.deepEqual(
    link_details.map(({ url, text, kind }) => `${kind} ${url} ${text}`),
    [
      "web https://a.test/logo Acme Inc.",
      "web https://a.test/confirm Confirm now",
      "custom myapp://reset?t=1 Open in the app",
      "mail mailto:help@a.test Write",
      "telephone tel:+49301234 Call",
      "web https://a.test/confirm https://shown.test/",
      "web https://a.test/bare ",
    ],
  );
});

test("relative links are those of the base that the message names", () => {
  assert.deepEqual(inHtml(`<base href="https://a.test/mail/"><a href="../x?y">x</a>`).links, ["https://a.test/x?y"]);
});

test("what is returned is bounded, whatever the message", () => {
  const many = inText(
    Array.from({ length: 5_000 }, (_, index) => `code: ${100_000 + index} https://a.test/${index}`).join("\n"),
  );
  assert.deepEqual([many.links.length, many.link_details.length, many.code_candidates.length], [1_000, 1_000, 50]);
  assert.deepEqual(inText(`https://a.test/${"x".repeat(100_000)} https://a.test/y`).links, ["https://a.test/y"]);
});
