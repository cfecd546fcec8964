/** XML as strangers' programs write it: elements and texts as meant, slips told, everything in one pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readXml, XmlError } from "./lenient-xml.ts";

interface Read {
  readonly said: string;
  readonly problems: readonly string[];
}

/** `<a>`, `</>` and texts, in a row. */
function read(source: string): Read {
  let said = "";
  const problems: string[] = [];
  readXml(source, {
    open: (name) => (said += `<${name}>`),
    text: (text) => (said += text),
    close: () => (said += "</>"),
    problem: (text) => problems.push(text),
  });
  return { said, problems };
}

test("elements, texts, references and what is passed over", () => {
  const table: readonly (readonly [string, string])[] = [
    ["<a/>", "<a></>"],
    ["\ufeff<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'x'>\n<!-- <b> --><a x='>' y=\"'\">t</a >\n", "<a>t</>"],
    ["<a>1<b/>2<c:d>3</c:d></a>", "<a>1<b></>2<c:d>3</></>"],
    ["<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#128512;</a>", "<a><>&\"'AB\u{1f600}</>"],
    ["<a><![CDATA[<b>&amp;]]></a>", "<a><b>&amp;</>"],
    ["<a><?p <x?></a>", "<a></>"],
    ["<größe>1</größe>", "<größe>1</>"],
  ];
  for (const [source, said] of table) assert.deepEqual(read(source), { said, problems: [] }, source);
});

test("slips are told and read over", () => {
  const table: readonly (readonly [string, string, RegExp])[] = [
    ["<a>b & c</a>", "<a>b & c</>", /bare &/],
    ["<a>&nbsp;</a>", "<a>&nbsp;</>", /&nbsp; is not known/],
    ["<a>1 < 2</a>", "<a>1 < 2</>", /begins no element/],
    ["<a><></a>", "<a><></>", /begins no element/],
    ["<a>x <b@c.test></a>", "<a>x <b@c.test></>", /begins no element/],
    ["<a>&#0;\u0001</a>", "<a>\ufffd\ufffd</>", /does not allow/],
    ["<a>&#9999999;</a>", "<a>\ufffd</>", /no character/],
    ["x<a/>", "<a></>", /outside the root/],
    ["<a/>x", "<a></>", /outside the root/],
    ["<a/><b>", "<a></>", /what follows the root/],
    [" <?xml version='1.0'?><a/>", "<a></>", /not at the beginning/],
  ];
  for (const [source, said, problem] of table) {
    const result = read(source);
    assert.equal(result.said, said, source);
    assert.match(result.problems.join(), problem, source);
  }
});

test("what leaves a doubt about the elements ends the reading", () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ["", /no element/],
    ["text", /no element/],
    ["<a><b></a>", /<\/a> stands where <\/b> should/],
    ["</a>", /<\/a> ends nothing/],
    ["<a>", /cut off within <a>/],
    ["<a", /no element/],
    ["<a b='", /' is missing/],
    ["<a b", /within a tag/],
    ["<a><!-- ", /--> is missing/],
    ["<a><![CDATA[", /\]\]> is missing/],
    ["<?xml", /\?> is missing/],
    ["<!DOCTYPE a", /> is missing/],
    ["<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", /declarations \(an entity/],
  ];
  for (const [source, reason] of table) assert.throws(() => read(source), reason, source);
});

test("any text gives a reading or an XmlError", () => {
  const piece = fc.constantFrom(
    "<",
    ">",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "&",
    ";",
    '"',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 20 }), (pieces) => {
      try {
        read(pieces.join(""));
      } catch (error) {
        assert.ok(error instanceof XmlError);
      }
    }),
    { numRuns: 3000 },
  );
});
