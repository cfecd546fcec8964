/** Reports of others: samples from the field and from the standards, and hostile ones. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { unpack } from "../../lib/unpack.ts";
import { caseFile, readVectors, vectorPath } from "../../testing/conformance-data.ts";
import { runVectors } from "../../testing/run-vectors.ts";
import type { AggregateReport, AggregateRow } from "./aggregate-report.ts";
import { escapeXml, makeAggregateReport } from "./make-report.ts";
import { looksLikeXml, parseAggregateReport } from "./parse-report.ts";

function read(xml: string | Buffer) {
  const parsed = parseAggregateReport(Buffer.from(xml));
  return parsed.kind === "report" ? parsed : assert.fail(parsed.reason);
}

function refusal(xml: string | Buffer): string {
  const parsed = parseAggregateReport(Buffer.from(xml));
  return parsed.kind === "unreadable" ? parsed.reason : assert.fail("it was read");
}

const head =
  "<feedback><report_metadata><org_name>a</org_name><date_range><begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>Example.com</domain><p>none</p></policy_published>";
const row =
  "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim></policy_evaluated></row><identifiers><header_from>example.com</header_from></identifiers></record>";

test("conformance: every aggregate sample is read, or its defect is told", async (t) => {
  const index = readVectors<readonly { readonly file: string; readonly xml: string }[]>(
    t,
    "dmarc",
    "reports",
    "index.json",
  );
  if (index === undefined) return;
  await runVectors(
    t,
    "dmarc/reports",
    index,
    ({ file }) => file,
    async ({ file, xml }) => {
      if (!file.startsWith("reports/aggregate/")) return { skipped: "failure reports are mail for people" };
      const raw = caseFile("dmarc", file);
      const content = file.endsWith(".eml") ? await reportPart(raw) : raw;
      const opened = unpack(content, { bytesMax: 10_000_000 });
      assert.ok(opened.kind === "files", opened.kind === "refused" ? opened.reason : "");
      const parsed = parseAggregateReport(opened.files[0] ?? assert.fail());
      if (xml.startsWith("not well-formed")) {
        assert.ok(parsed.kind === "unreadable" || parsed.problems.length > 0);
        return undefined;
      }
      assert.ok(parsed.kind === "report", parsed.kind === "unreadable" ? parsed.reason : "");
      assert.ok(parsed.complete, parsed.problems.join());
      const rows = opened.files[0]?.toString("latin1").split("<record>").length ?? 0;
      assert.equal(parsed.report.rows.length, rows - 1);
      return undefined;
    },
  );
});

async function reportPart(raw: Buffer): Promise<Buffer> {
  const { attachments } = await PostalMime.parse(raw);
  const content = attachments[0]?.content ?? assert.fail();
  return typeof content === "string" ? Buffer.from(content) : Buffer.from(content as ArrayBuffer);
}

test("the samples that come with a parsed form say the same", (t) => {
  const folder = vectorPath(t, "dmarc", "reports", "aggregate", "mail-auth");
  if (folder === undefined) return;
  interface Expected {
    report_metadata: { org_name: string; report_id: string; date_range: { begin: number; end: number } };
    policy_published: { domain: string; p: string };
    record: {
      row: { source_ip: string; count: number; policy_evaluated: { disposition: string; dkim: string; spf: string } };
      auth_results: { dkim: { selector: string }[]; spf: { result: string }[] };
    }[];
  }
  for (const file of globSync(`${folder}/*.xml`)) {
    const expected = JSON.parse(readFileSync(file.replace(".xml", ".json"), "utf8")) as Expected;
    const { report } = read(readFileSync(file));
    const { report_metadata: metadata } = expected;
    assert.equal(report.organization, metadata.org_name);
    assert.equal(report.reportId, metadata.report_id);
    assert.deepEqual([report.begin, report.end], [metadata.date_range.begin * 1000, metadata.date_range.end * 1000]);
    assert.equal(report.policy.domain, expected.policy_published.domain);
    assert.equal(report.policy.p, expected.policy_published.p.toLowerCase());
    assert.deepEqual(
      report.rows.map(({ sourceAddress, count, dkimAligned, spfAligned }) => [
        sourceAddress,
        count,
        dkimAligned,
        spfAligned,
      ]),
      expected.record.map(({ row: { source_ip: source, count, policy_evaluated: evaluated } }) => [
        source,
        count,
        evaluated.dkim === "Pass",
        evaluated.spf === "Pass",
      ]),
    );
    assert.deepEqual(
      report.rows.map(({ spf }) => spf.map(({ result }) => result)),
      expected.record.map(({ auth_results: { spf } }) => spf.map(({ result }) => result.toLowerCase())),
    );
  }
  return undefined;
});

test("the forms of RFC 7489 and of RFC 9990 are both read, with and without a prefix", () => {
  const plain = read(`${head}${row}</feedback>`);
  assert.equal(plain.report.policy.domain, "example.com");
  assert.deepEqual(plain.report.rows[0], {
    sourceAddress: "192.0.2.1",
    count: 3,
    disposition: "none",
    dkimAligned: true,
    spfAligned: false,
    reasons: [],
    headerFrom: "example.com",
    dkim: [],
    spf: [],
  });
  const prefixed = `${head}${row}</feedback>`.replaceAll(/<(\/?)(\w)/g, "<$1d:$2");
  assert.deepEqual(read(prefixed), plain);
  const withNamespace = `<?xml version="1.0"?>${head}<extension><x:y>1</x:y></extension>${row}</feedback>`;
  assert.deepEqual(
    read(withNamespace.replace("<feedback", '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"')),
    plain,
  );
});

test("extensions with elements of known names change nothing", () => {
  const extension = "<ext:row><count>99</count><source_ip>1.2.3.4</source_ip></ext:row>";
  const { report } = read(`${head}${row.replace("</record>", `${extension}</record>`)}</feedback>`);
  assert.equal(report.rows[0]?.count, 3);
});

test("no entity is ever expanded", () => {
  const bomb = `<!DOCTYPE feedback [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>${head.replace(">a<", ">&b;<")}${row}</feedback>`;
  assert.match(refusal(bomb), /entity/);
  const external = `<!DOCTYPE feedback SYSTEM "file:///etc/passwd">${head}${row}</feedback>`;
  assert.equal(read(external).report.organization, "a");
});

test("slips outside the elements that matter cost a note, not the report", () => {
  const named = (name: string) => head.replace(">a<", `>${name}<`);
  const table: readonly (readonly [string, RegExp, string?])[] = [
    [named("A & B"), /a bare &/, "A & B"],
    [named("A &amp B"), /a bare &/, "A &amp B"],
    [named("A&nbsp;B"), /&nbsp; is not known/, "A&nbsp;B"],
    [named("a < b"), /begins no element/, "a < b"],
    [named("Far <dmarc@far.test>"), /begins no element/, "Far <dmarc@far.test>"],
    [head.replace("<org_name>", "<email><></email><org_name>"), /begins no element/],
    [named("a\u0001b"), /XML does not allow/, "a\ufffdb"],
    [`<?xml version="1.0"?>ï»¿ x ${head}`, /outside the root/],
    [`\r\n <?xml version="1.0"?>${head}`, /declaration is not at the beginning/],
  ];
  for (const [start, note, name = "a"] of table) {
    const { report, complete, problems } = read(`${start}${row}</feedback>`);
    assert.deepEqual([report.rows.length, complete, report.organization], [1, true, name], start);
    assert.match(problems.join(), note);
  }
  assert.match(read(`${head}${row}</feedback>${head}`).problems.join(), /what follows the root element is not read/);
  assert.deepEqual(read(`${head}${row}</feedback>\r\n\0`).problems, []);
});

test("a declared encoding is found behind white space, too", () => {
  const declared = `\r\n  <?xml version="1.0" encoding="windows-1252"?>${head.replace(">a<", ">é<")}${row}</feedback>`;
  assert.equal(read(Buffer.from(declared, "latin1")).report.organization, "é");
});

test("text that stands directly in a reason is kept", () => {
  const reasons = (inner: string) =>
    read(`${head}${row.replace("</policy_evaluated>", `<reason>${inner}</reason></policy_evaluated>`)}</feedback>`)
      .report.rows[0]?.reasons;
  assert.deepEqual(reasons("forwarded"), [{ type: "forwarded" }]);
  assert.deepEqual(reasons(" Mailing list "), [{ type: "other", comment: "Mailing list" }]);
  assert.deepEqual(reasons("arc=pass<type>local_policy</type>"), [{ type: "local_policy", comment: "arc=pass" }]);
  assert.deepEqual(reasons("<type>local_policy</type>behind<comment>said</comment>"), [
    { type: "local_policy", comment: "said" },
  ]);
  assert.deepEqual(reasons("<type>new_word</type>"), [{ type: "other" }]);
  assert.deepEqual(reasons(" \r\n "), []);
});

test("broken XML gives the rows before the break", () => {
  const { report, complete, problems } = read(`${head}${row}${row}<record><row></oops>`);
  assert.deepEqual([report.rows.length, complete], [2, false]);
  assert.match(problems.join(), /broken/);
  assert.match(refusal(`${head}<record>`), /broken/);
  assert.match(refusal(""), /./);
  assert.match(refusal("<html><body>no</body></html>"), /no aggregate report/);
  assert.match(refusal("<feedback></feedback>"), /which domain/);
});

test("octets that are no UTF-8 are replaced and told; declared encodings are honoured", () => {
  const bad = Buffer.concat([Buffer.from(head.replace(">a<", ">\u0001<").replace("\u0001", "a")), Buffer.from(row)]);
  const broken = Buffer.from(`${bad.toString()}</feedback>`);
  broken[broken.indexOf(">a<") + 1] = 0xff;
  const { report, problems } = read(broken);
  assert.equal(report.organization, "\ufffd");
  assert.match(problems.join(), /octets/);
  const latin = Buffer.from(
    `<?xml version="1.0" encoding="iso-8859-1"?>${head.replace(">a<", ">é<")}${row}</feedback>`,
    "latin1",
  );
  assert.equal(read(latin).report.organization, "é");
  const wide = Buffer.from(`\ufeff${head}${row}</feedback>`, "utf16le");
  assert.equal(read(wide).report.rows.length, 1);
});

test("depth, rows and texts are bounded", () => {
  assert.match(refusal(`<feedback>${"<a>".repeat(100_000)}`), /deeper/);
  const many = read(`${head}${"<record></record>".repeat(20_050)}</feedback>`);
  assert.equal(many.complete, false);
  assert.ok(many.report.rows.length <= 20_001);
  const long = read(`${head.replace(">a<", `>${"x".repeat(3_000_000)}<`)}${row}</feedback>`);
  assert.equal(long.report.organization.length, 1000);
  const signatures = "<dkim><domain>a</domain></dkim>".repeat(500);
  const busy = read(
    `${head}${row.replace("</record>", `<auth_results>${signatures}</auth_results></record>`)}</feedback>`,
  );
  assert.equal(busy.report.rows[0]?.dkim.length, 100);
});

test("names of JavaScript are values like any other", () => {
  const odd = head.replace("<p>none", "<adkim>constructor</adkim><testing>__proto__</testing><p>toString");
  const { policy } = read(`${odd}${row}</feedback>`).report;
  assert.deepEqual(policy, { domain: "example.com" });
});

test("looksLikeXml tells XML from the rest", () => {
  for (const text of ["<a", "\ufeff<a", " \r\n<a"]) assert.ok(looksLikeXml(Buffer.from(text)));
  for (const text of ["", "{", "text <a>"]) assert.ok(!looksLikeXml(Buffer.from(text)));
});

const word = fc.stringMatching(/^[a-z0-9.-]{1,20}$/);
// U+FFFD in a report says that its octets were bad: a problem of its own.
const said = fc
  .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .map((text) => text.trim())
  .filter((text) => text !== "" && !/[\u0000-\u001f\ufffd-\uffff]/.test(text));
const rowOf: fc.Arbitrary<AggregateRow> = fc.record({
  sourceAddress: fc.ipV4(),
  count: fc.integer({ min: 1, max: 1e9 }),
  disposition: fc.constantFrom("none" as const, "quarantine" as const, "reject" as const),
  dkimAligned: fc.boolean(),
  spfAligned: fc.boolean(),
  reasons: fc.array(fc.record({ type: fc.constantFrom("local_policy" as const, "other" as const), comment: said }), {
    maxLength: 2,
  }),
  headerFrom: word,
  envelopeFrom: fc.oneof(fc.constant(""), word),
  dkim: fc.array(
    fc.record({ domain: word, selector: word, result: fc.constantFrom("pass", "fail"), humanResult: said }),
    { maxLength: 3 },
  ),
  spf: fc.array(fc.record({ domain: word, scope: fc.constant("mfrom" as const), result: fc.constant("softfail") }), {
    maxLength: 1,
  }),
});
const reportOf: fc.Arbitrary<AggregateReport> = fc.record({
  organization: said,
  email: word,
  reportId: word,
  begin: fc.integer({ min: 0, max: 2e9 }).map((seconds) => seconds * 1000),
  end: fc.integer({ min: 0, max: 2e9 }).map((seconds) => seconds * 1000),
  errors: fc.array(said, { maxLength: 1 }),
  generator: said,
  policy: fc.record({
    domain: word,
    discoveryMethod: fc.constant("treewalk" as const),
    p: fc.constantFrom("none" as const, "reject" as const),
    sp: fc.constant("quarantine" as const),
    adkim: fc.constantFrom("relaxed" as const, "strict" as const),
    testing: fc.boolean(),
  }),
  rows: fc.array(rowOf, { minLength: 1, maxLength: 4 }),
});

test("DMARC-017: what is written is read back whole, whatever the texts are", () => {
  fc.assert(
    fc.property(reportOf, (generated) => {
      // Without the prototypes that fast-check varies.
      const report = structuredClone(generated);
      const parsed = read(makeAggregateReport(report));
      assert.deepEqual(parsed, { kind: "report", report, complete: true, problems: [] });
    }),
    { numRuns: 300 },
  );
});

test("DMARC-017: elements stand in the order of the schema, and the same report gives the same octets", () => {
  const report: AggregateReport = {
    organization: "A & B",
    email: "dmarc@a.example",
    extraContact: "https://a.example",
    reportId: "1@a.example",
    begin: 86_400_000,
    end: 172_799_000,
    errors: ["sp=maybe"],
    generator: "Posthaste 1",
    policy: {
      domain: "d.example",
      discoveryMethod: "treewalk",
      p: "reject",
      sp: "none",
      np: "reject",
      fo: "0",
      adkim: "strict",
      aspf: "relaxed",
      testing: true,
    },
    rows: [
      {
        sourceAddress: "2001:db8::1",
        count: 2,
        disposition: "none",
        dkimAligned: false,
        spfAligned: false,
        reasons: [{ type: "policy_test_mode", comment: "t=y" }],
        headerFrom: "d.example",
        envelopeFrom: "",
        envelopeTo: "a.example",
        dkim: [{ domain: "d.example", selector: "s", result: "fail", humanResult: "<no key>" }],
        spf: [{ domain: "d.example", scope: "mfrom", result: "softfail" }],
      },
    ],
  };
  const xml = makeAggregateReport(report);
  assert.equal(makeAggregateReport(structuredClone(report)), xml);
  const names = [...xml.matchAll(/<(\w+)/g)].map(([, name]) => name).join(" ");
  assert.equal(
    names,
    "feedback version report_metadata org_name email extra_contact_info report_id date_range begin end error generator policy_published domain discovery_method p sp np fo adkim aspf testing record row source_ip count policy_evaluated disposition dkim spf reason type comment identifiers header_from envelope_from envelope_to auth_results dkim domain selector result human_result spf domain scope result",
  );
  assert.match(xml, /A &amp; B/);
  assert.match(xml, /&lt;no key&gt;/);
});

test("what XML cannot say is replaced", () => {
  assert.equal(escapeXml("a\u0000b]]>\ud800&"), "a\ufffdb]]&gt;\ufffd&amp;");
});

test("any octets give a result, and what was read can be written", () => {
  const piece = fc.constantFrom(
    head,
    row,
    "</feedback>",
    "<",
    ">",
    "&",
    "&#0;",
    "]]>",
    "<![CDATA[",
    "<!DOCTYPE",
    "<?",
    "\u0000",
    "é",
    "<record>",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), (texts) => {
      const whole = parseAggregateReport(Buffer.from(texts.join("")));
      if (whole.kind === "unreadable") return assert.notEqual(whole.reason, "");
      return assert.ok(read(makeAggregateReport(whole.report)).complete);
    }),
    { numRuns: 2000 },
  );
});
