/** Reports of ours, read by our own reader of reports, and beside those of others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import PostalMime from "postal-mime";
import { verifyDane } from "../dane/verify-dane.ts";
import { readVectors } from "../testing/conformance-data.ts";
import { makeCertificate } from "../testing/test-certificates.ts";
import { makeTlsReport, makeTlsReportMessage } from "./make-report.ts";
import { parseTlsReport } from "./parse-report.ts";
import { resultTypeOf } from "./result-type.ts";
import type { TlsReport } from "./tls-report.ts";

const report: TlsReport = {
  organization: "our.test",
  contact: "reports@our.test",
  reportId: "1767225600.theirs.test.tls@our.test",
  begin: Date.UTC(2026, 0, 1),
  end: Date.UTC(2026, 0, 1, 23, 59, 59),
  policies: [
    {
      policyType: "sts",
      policyDomain: "theirs.test",
      policyStrings: ["version: STSv1", "mode: testing", "mx: *.theirs.test", "max_age: 86400"],
      mxHosts: ["*.theirs.test"],
      successfulSessions: 5326,
      failedSessions: 303,
      failures: [
        {
          resultType: "certificate-expired",
          sendingAddress: "2001:db8:abcd:12::1",
          receivingHost: "mx1.theirs.test",
          receivingAddress: "192.0.2.1",
          sessions: 100,
          reasonCode: "X",
        },
        { resultType: "sts-policy-fetch-error", sessions: 203, information: "status 404" },
      ],
    },
    {
      policyType: "no-policy-found",
      policyDomain: "theirs.test",
      policyStrings: [],
      mxHosts: [],
      successfulSessions: 1,
      failedSessions: 0,
      failures: [],
    },
  ],
};

/** Every member's name in the JSON, with the kind of its value. */
function shape(value: unknown, path = ""): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => shape(entry, `${path}[]`));
  if (typeof value !== "object" || value === null) return [`${path} ${typeof value}`];
  return Object.entries(value).flatMap(([name, entry]) => shape(entry, `${path}.${name}`));
}

test("SEC-022: what is written is read again, whole and without a complaint", () => {
  assert.deepEqual(parseTlsReport(gunzipSync(makeTlsReport(report))), { kind: "report", report, problems: [] });
});

test("SEC-022: conformance: no member that the standard's own example lacks, and of the same kinds", (t) => {
  const read = (name: string) => {
    const report = readVectors<unknown>(t, "tls-rpt", "reports", name);
    return report === undefined ? undefined : shape(report);
  };
  const inRfc = read("mox-rfc8460-appendix-b.json");
  const other = read("mail-auth-rpt03.json");
  if (inRfc === undefined || other === undefined) return;
  const example = new Set([...inRfc, ...other]);
  const optional = new Set([".policies[].failure-details[].additional-information string"]);
  const ours = shape(JSON.parse(gunzipSync(makeTlsReport(report)).toString()));
  assert.deepEqual(
    [...new Set(ours)].filter((member) => !example.has(member) && !optional.has(member)),
    [],
  );
  for (const needed of [".organization-name string", ".contact-info string", ".report-id string"]) {
    assert.ok(ours.includes(needed), needed);
  }
});

test("SEC-024: as mail it is a multipart/report that names domain and submitter, and may go in clear", async () => {
  const bytes = makeTlsReportMessage({
    report,
    packed: makeTlsReport(report),
    domain: "theirs.test",
    submitter: "our.test",
    from: "reports@our.test",
    to: ["tls@theirs.test"],
    at: Date.UTC(2026, 0, 2),
  });
  const { headers, subject, attachments, text } = await PostalMime.parse(bytes);
  const field = (name: string) => headers.find(({ key }) => key === name)?.value;
  assert.equal(subject, `Report Domain: theirs.test Submitter: our.test Report-ID: <${report.reportId}>`);
  assert.equal(field("tls-report-domain"), "theirs.test");
  assert.equal(field("tls-report-submitter"), "our.test");
  assert.equal(field("tls-required"), "No");
  assert.match(field("content-type") ?? "", /^multipart\/report; report-type="tlsrpt";/);
  assert.match(text ?? "", /asks for it with the TXT record _smtp\._tls\.theirs\.test\./);
  const [part] = attachments;
  assert.equal(part?.mimeType, "application/tlsrpt+gzip");
  assert.equal(part?.filename, "our.test!theirs.test!1767225600!1767311999.json.gz");
  const parsed = parseTlsReport(gunzipSync(Buffer.from(part?.content as ArrayBuffer)));
  assert.ok(parsed.kind === "report" && parsed.report.policies.length === 2);
  assert.ok(
    bytes
      .toString("latin1")
      .split("\r\n")
      .every((line) => line.length <= 998),
  );
});

test("SEC-023: the words of a failed handshake tell which failure it was", () => {
  const table: readonly (readonly [string, string])[] = [
    ["CERT_HAS_EXPIRED", "certificate-expired"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate-host-mismatch"],
    ["Hostname/IP does not match certificate's altnames: Host: x", "certificate-host-mismatch"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "certificate-not-trusted"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "certificate-not-trusted"],
    ["CERT_NOT_YET_VALID", "certificate-not-trusted"],
    ["the handshake took too long", "validation-failure"],
    ["", "validation-failure"],
  ];
  for (const [words, type] of table) assert.equal(resultTypeOf(words), type, words);
});

test("SEC-023: our own words about TLSA records tell the same fault as the verdict", () => {
  const authority = makeCertificate({ subject: "An authority", authority: {} });
  const record = { usage: 2, selector: 0, matching: 0, data: authority.der };
  const now = Date.UTC(2026, 0, 1);
  const server = (options: object) =>
    makeCertificate({ subject: "x", names: ["mx.theirs.test"], issuer: authority, ...options });
  const other = { ...record, usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const verdicts = [
    verifyDane([server({ names: ["other.test"] }).der], [record], ["mx.theirs.test"], now),
    verifyDane([server({ until: now - 1000 }).der], [record], ["mx.theirs.test"], now),
    verifyDane([server({ from: now + 86_400_000 }).der], [record], ["mx.theirs.test"], now),
    verifyDane([server({ unknownCritical: true }).der], [record], ["mx.theirs.test"], now),
    verifyDane([server({}).der], [other], ["mx.theirs.test"], now),
    verifyDane([server({}).der], [{ ...other, usage: 1 }], ["mx.theirs.test"], now),
  ];
  const faults = verdicts.map((verdict) => (verdict.kind === "failed" ? verdict.fault : "none"));
  assert.deepEqual(faults, [
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
  ]);
  const read = verdicts.map((verdict) =>
    verdict.kind === "failed" ? resultTypeOf(`DANE: ${verdict.reason}`) : "none",
  );
  assert.deepEqual(read, faults);
});
