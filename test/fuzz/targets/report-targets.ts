/** What strangers send as reports: the XML, the JSON, the packs they come in, and the record that asks for them. */
import assert from "node:assert/strict";
import { deflateRawSync, gzipSync } from "node:zlib";
import { makeAggregateReport } from "../../../src/dmarc/report/make-report.ts";
import { parseAggregateReport, rowsMax } from "../../../src/dmarc/report/parse-report.ts";
import { mimeLeaves } from "../../../src/message/mime-leaves.ts";
import { mimeLimits, readReports, reportsMax } from "../../../src/reporting/received/read-reports.ts";
import { unpack } from "../../../src/lib/unpack.ts";
import { parseTlsReport } from "../../../src/tls-rpt/parse-report.ts";
import { findTlsReportRecord } from "../../../src/tls-rpt/tls-rpt-record.ts";
import { conformanceFiles, texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const elements = ["feedback", "record", "row", "policy_published", "domain", "auth_results", "dkim", "reason", "count"];

const aggregate: FuzzTarget = {
  name: "aggregate-report",
  family: "DMARC XML",
  seeds: () => [
    ...texts(
      '<?xml version="1.0"?><feedback><policy_published><domain>a.test</domain></policy_published><record><row><source_ip>::1</source_ip><count>1</count></row></record></feedback>',
    ),
    ...conformanceFiles("dmarc/reports/aggregate", { bytesMax: 4096, count: 40, pattern: "**/*.xml", raw: true }),
  ],
  words: [
    ...elements.flatMap((name) => [`<${name}>`, `</${name}>`]),
    ...[
      '<?xml version="1.0" encoding="windows-1252"?>',
      "<!DOCTYPE a [",
      '<!ENTITY a "b">',
      "]>",
      "&a;",
      "&#0;",
      "&lt;",
    ],
    // Slips that are read over.
    ...["& ", "<>", "<a@b.test>", "x<?xml version='1.0'?>", "<reason>", "</", "/>", "]]>x"],
    ...[
      "<![CDATA[",
      "]]>",
      "<!--",
      "-->",
      "<?",
      "?>",
      'a="',
      "x:",
      "\xff",
      "\0",
      "\xef\xbb\xbf",
      "\xff\xfe",
      "<",
      ">",
      "&",
    ],
  ],
  bytesMax: 8192,
  stretchMax: 256 * 1024,
  run(input) {
    const whole = parseAggregateReport(input);
    if (whole.kind === "unreadable") return;
    assert.ok(whole.report.rows.length <= rowsMax + 1);
    // Whatever was read can be written, and is well-formed then.
    const again = parseAggregateReport(Buffer.from(makeAggregateReport(whole.report)));
    assert.ok(again.kind === "report" && again.complete, again.kind);
    assert.equal(again.report.rows.length, whole.report.rows.length);
  },
};

const tls: FuzzTarget = {
  name: "tls-report",
  family: "TLS reports",
  seeds: () => [
    ...texts('{"policies":[{"policy":{"policy-type":"sts"},"summary":{"total-failure-session-count":1}}]}'),
    ...conformanceFiles("tls-rpt/reports", { bytesMax: 4096, count: 10, pattern: "*.json", raw: true }),
  ],
  words: ['"policies":', '"policy":', '"failure-details":', "[", "]", "{", "}", "null", "1e999", '"', "\\u0000", ","],
  bytesMax: 8192,
  stretchMax: 256 * 1024,
  run(input) {
    const parsed = parseTlsReport(input);
    if (parsed.kind === "report") assert.ok(parsed.report.policies.length <= 100);
  },
};

const tlsRecord: FuzzTarget = {
  name: "tls-report-record",
  family: "TLS reports",
  seeds: () => texts("v=TLSRPTv1; rua=mailto:a@b.test,https://c.test/x; ext=1"),
  words: ["v=TLSRPTv1;", "rua=", "mailto:", "https://", ";", ",", "=", "@", " ", "\t"],
  bytesMax: 1024,
  stretchMax: 256 * 1024,
  run(input) {
    const found = findTlsReportRecord([input.toString("latin1")]);
    if (found.kind === "record") assert.ok(found.record.rua.length > 0 && found.record.rua.length <= 10);
  },
};

const packs: FuzzTarget = {
  name: "report-pack",
  family: "gzip and zip",
  seeds: () => [
    gzipSync("<feedback>"),
    gzipSync(gzipSync("<feedback>")),
    gzipSync(Buffer.alloc(100_000)),
    deflateRawSync("<feedback>"),
    ...conformanceFiles("dmarc/reports/aggregate", { bytesMax: 4096, count: 10, pattern: "**/*.{gz,zip}", raw: true }),
  ],
  words: ["PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "\x1f\x8b\x08", "\xff\xff\xff\xff", "\0\0\0\0", "\x08\0", "\x01\0"],
  bytesMax: 4096,
  stretchMax: 256 * 1024,
  run(input) {
    const result = unpack(input, { bytesMax: 1_000_000 });
    if (result.kind === "refused") return assert.notEqual(result.reason, "");
    return assert.ok(result.files.reduce((sum, { length }) => sum + length, 0) <= 1_000_000);
  },
};

const xml =
  "<feedback><policy_published><domain>a.test</domain></policy_published><record><row><source_ip>::1</source_ip></row></record></feedback>";

/** Whole messages: what is found is bounded, each report has an id of its own, and what is stored can be shown. */
const messages: FuzzTarget = {
  name: "report-message",
  family: "DMARC XML",
  seeds: () => [
    ...texts(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${xml}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nTLS-Report-Domain: a.test\r\n\r\n{"policies":[]}\r\n--b--\r\n`,
      `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(`\r\n${xml}`).toString("base64")}`,
      `Content-Transfer-Encoding: quoted-printable\r\n\r\n${xml.replaceAll("/", "=2F=\r\n")}`,
    ),
    ...conformanceFiles("dmarc/reports/aggregate", { bytesMax: 8192, count: 10, pattern: "**/*.eml", raw: true }),
  ],
  words: [
    ...["--b\r\n", "--b--\r\n", "\r\n\r\n", "Content-Type: ", "multipart/mixed; boundary=b", "message/rfc822"],
    ...["Content-Transfer-Encoding: base64\r\n", "quoted-printable", "=\r\n", "=3D", "\x1f\x8b\x08", "PK\x03\x04", xml],
  ],
  bytesMax: 8192,
  stretchMax: 256 * 1024,
  run(input) {
    const { leaves } = mimeLeaves(input, mimeLimits);
    assert.ok(leaves.length <= mimeLimits.partsMax);
    const received = { id: "4QJ7ZC2M9KXD", at: 0, from: "", keepMs: 1 };
    const { records, reports, reason } = readReports(Uint8Array.from(input), received);
    assert.ok(reports.length <= reportsMax);
    assert.equal(reason === "", reports.length > 0);
    assert.equal(
      new Set(records.map((record) => JSON.stringify([record.namespace, "key" in record && record.key]))).size,
      2 * reports.length,
    );
    for (const record of records) {
      assert.ok(record.kind === "put");
      if (typeof record.value === "string") JSON.parse(record.value);
    }
  },
};

export const reportTargets: readonly FuzzTarget[] = [aggregate, tls, tlsRecord, packs, messages];
