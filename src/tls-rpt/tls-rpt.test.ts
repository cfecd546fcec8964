import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { unpack } from "../lib/unpack.ts";
import { readVectors, vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { parseTlsReport } from "./parse-report.ts";
import { findTlsReportRecord, parseTlsReportRecord } from "./tls-rpt-record.ts";

interface RecordVector {
  readonly txt: string;
  readonly ok: boolean;
  readonly rua?: readonly string[];
}

test("SEC-021: conformance: the record follows the grammar of RFC 8460 to the letter", async (t) => {
  const vectors = readVectors<readonly RecordVector[]>(t, "tls-rpt", "records.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "tls-rpt/records",
    vectors,
    ({ txt }) => txt,
    ({ txt, ok, rua }) => {
      const result = parseTlsReportRecord(txt);
      assert.equal(result.kind === "record", ok);
      if (result.kind === "record") assert.deepEqual(result.record.rua, rua);
    },
  );
});

test("SEC-021: exactly one record of this kind counts, whatever else stands at the name", () => {
  const good = "v=TLSRPTv1; rua=mailto:a@b.example";
  assert.deepEqual(findTlsReportRecord(["unrelated", good, "v=TLSRPTv10; rua=mailto:x@y.example"]), {
    kind: "record",
    record: { rua: ["mailto:a@b.example"] },
  });
  assert.equal(findTlsReportRecord([]).kind, "none");
  assert.equal(findTlsReportRecord([good, good]).kind, "invalid");
  assert.equal(findTlsReportRecord(["v=TLSRPTv1; rua=ftp://a.example/"]).kind, "invalid");
  const fields = findTlsReportRecord([
    "v=TLSRPTv1; rua=mailto:a@b.example; x=1; rua=https://c.example/x,mailto:d@e.example",
  ]);
  assert.deepEqual(fields, {
    kind: "record",
    record: { rua: ["mailto:a@b.example", "https://c.example/x", "mailto:d@e.example"] },
  });
  const two = findTlsReportRecord(["v=TLSRPTv1; rua=ftp://a.example/ , https://b.example/x ;"]);
  assert.deepEqual(two, { kind: "record", record: { rua: ["https://b.example/x"] } });
});

test("any text gives a result", () => {
  const piece = fc.constantFrom("v=TLSRPTv1", ";", "rua=", "mailto:a@b", ",", "=", " ", "\t");
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 10 }), (texts) => {
      const result = parseTlsReportRecord(texts.join(""));
      assert.ok(result.kind !== "record" || result.record.rua.length > 0);
    }),
    { numRuns: 2000 },
  );
});

test("SEC-022: conformance: every sample report is read, packed in mail or not", async (t) => {
  const folder = vectorPath(t, "tls-rpt", "reports");
  if (folder === undefined) return;
  const files = globSync(`${folder}/*`).filter((file) => !file.endsWith(".expected.json"));
  const nameOf = (file: string): string => path.basename(file);
  await runVectors(t, "tls-rpt/reports", files, nameOf, async (file) => {
    const raw = readFileSync(file);
    const content = file.endsWith(".eml") ? await reportPart(raw) : raw;
    const opened = unpack(content, { bytesMax: 1_000_000 });
    assert.ok(opened.kind === "files");
    const json = opened.files[0] ?? assert.fail();
    const parsed = parseTlsReport(json);
    assert.ok(parsed.kind === "report");
    assert.deepEqual(parsed.problems, []);
    assert.notEqual(parsed.report.organization, "");
    const { policies } = JSON.parse(json.toString()) as { policies: { summary: Record<string, number> }[] };
    assert.deepEqual(
      parsed.report.policies.map(({ successfulSessions }) => successfulSessions),
      policies.map(({ summary }) => summary["total-successful-session-count"] ?? 0),
    );
  });
});

async function reportPart(raw: Buffer): Promise<Buffer> {
  const { attachments } = await PostalMime.parse(raw);
  const part = attachments.find(({ mimeType }) => mimeType.includes("tlsrpt")) ?? assert.fail();
  return typeof part.content === "string" ? Buffer.from(part.content) : Buffer.from(part.content as ArrayBuffer);
}

test("a report is read with its failures", () => {
  const text = JSON.stringify({
    "organization-name": "Company-X",
    "date-range": { "start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z" },
    "contact-info": "x@company-x.example",
    "report-id": "1",
    policies: [
      {
        policy: { "policy-type": "sts", "policy-string": "version: STSv1", "policy-domain": "Y.example" },
        summary: { "total-successful-session-count": "5", "total-failure-session-count": 3 },
        "failure-details": [
          {
            "result-type": "certificate-expired",
            "sending-mta-ip": "2001:db8:abcd:0012::1",
            "failed-session-count": 3,
          },
          "nonsense",
        ],
      },
    ],
  });
  assert.deepEqual(parseTlsReport(Buffer.from(text)), {
    kind: "report",
    problems: [],
    report: {
      organization: "Company-X",
      contact: "x@company-x.example",
      reportId: "1",
      begin: Date.UTC(2016, 3, 1),
      end: Date.UTC(2016, 3, 1, 23, 59, 59),
      policies: [
        {
          policyType: "sts",
          policyDomain: "y.example",
          policyStrings: ["version: STSv1"],
          mxHosts: [],
          successfulSessions: 5,
          failedSessions: 3,
          failures: [{ resultType: "certificate-expired", sessions: 3, sendingAddress: "2001:db8:abcd:12::1" }],
        },
      ],
    },
  });
});

test("lists are bounded, and nothing but a report is taken for one", () => {
  const policy = { policy: {}, "failure-details": Array.from({ length: 6000 }, () => ({})) };
  const parsed = parseTlsReport(Buffer.from(JSON.stringify({ policies: Array.from({ length: 150 }, () => policy) })));
  assert.ok(parsed.kind === "report");
  assert.equal(parsed.report.policies.length, 100);
  assert.equal(
    parsed.report.policies.reduce((sum, { failures }) => sum + failures.length, 0),
    10_000,
  );
  assert.equal(parsed.problems.length, 2);
  for (const text of ["", "{", "[]", "1", "null", '{"policies":{}}', "[".repeat(1_000_000)]) {
    assert.equal(parseTlsReport(Buffer.from(text)).kind, "unreadable", text.slice(0, 20));
  }
});

test("any JSON gives a result", () => {
  const key = fc.constantFrom("policies", "policy", "summary", "failure-details", "date-range", "start-datetime", "x");
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, 1, -1, 1e99, "x", "2020-01-01T00:00:00Z", true),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, tree, { minKeys: 1, maxKeys: 6 }), (value) => {
      const result = parseTlsReport(Buffer.from(JSON.stringify(value)));
      assert.equal(result.kind, Array.isArray(value["policies"]) ? "report" : "unreadable");
    }),
    { numRuns: 2000 },
  );
});
