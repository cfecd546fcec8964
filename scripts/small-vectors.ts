/** Vectors of our own composition in the format that docs/testing.md describes: a few cases for most sets. */
import type { VectorSet } from "../src/testing/conformance-deviations.ts";

interface SmallVectors {
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** For each set: passed, deviating, skipped, failed. */
  readonly wanted: Readonly<Partial<Record<VectorSet, readonly number[]>>>;
}

const spfSuite = `description: A set of ours
tests:
  ours:
    helo: mail.ours.test
    host: 192.0.2.1
    mailfrom: ann@ours.test
    result: pass
  theirs:
    helo: mail.ours.test
    host: 192.0.2.2
    mailfrom: ann@ours.test
    result: [fail, softfail]
zonedata:
  ours.test:
    - SPF: v=spf1 ip4:192.0.2.1 -all
`;

const arcSuite = `description: A set of ours
tests:
  no_chain:
    message: |
      From: Ann <ann@ours.test>
      Subject: No chain

      Hello.
    cv: None
txt-records:
  sel._domainkey.ours.test: v=DKIM1; p=
`;

const spfScenario = {
  file: "ours",
  name: "one record",
  records: [{ type: "TXT", name: "ours.test", value: "v=spf1 ip4:192.0.2.1 -all" }],
  tests: [{ helo: "ours.test", mailfrom: "ann@ours.test", ip: "192.0.2.1", result: "pass" }],
};

const tlsReport = {
  "organization-name": "Ours",
  "date-range": { "start-datetime": "2026-01-01T00:00:00Z", "end-datetime": "2026-01-01T23:59:59Z" },
  "contact-info": "postmaster@ours.test",
  "report-id": "1",
  policies: [
    {
      policy: { "policy-type": "no-policy-found", "policy-domain": "theirs.test" },
      summary: { "total-successful-session-count": 3, "total-failure-session-count": 0 },
    },
  ],
};

const ed25519Record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** @param signed a message that the key in the zone below does not fit. */
export function smallVectors(signed: Buffer): SmallVectors {
  const json = {
    "spf/extra-scenarios.json": [spfScenario],
    "dkim/cases.json": {
      default_now: 1_743_505_200,
      cases: [
        { id: "unsigned", file: "messages/unsigned.eml", category: "none", dns: "dns/ours.json", expect: ["none"] },
        { id: "other key", file: "messages/signed.eml", category: "bad", dns: "dns/ours.json", expect: ["fail"] },
        { id: "lost", file: "messages/lost.eml", category: "bad", dns: "dns/ours.json", expect: ["fail"] },
      ],
    },
    "dkim/dns/ours.json": { "ed._domainkey.example.org": { TXT: [[ed25519Record]] } },
    "dkim/key-records.json": [
      { record: ed25519Record, result: "ok" },
      { record: "p=; v=DKIM1", result: "error" },
    ],
    "dkim/signature-headers.json": [
      { header: "DKIM-Signature: v=1; a=rsa-sha256\r\n", result: "error", smtputf8: true },
    ],
    // The first is a known deviation of the published set and stays one; the second is nobody's.
    "dmarc/records.json": [
      { record: "v=DMARC1; sp=reject; p=reject", strict_rfc7489: "error" },
      { record: "v=DMARC1; p=none; rua=mailto:a@ours.test", strict_rfc7489: "ok", fields: { p: "none" } },
    ],
    "dmarc/evaluation.json": [
      {
        id: "aligned",
        dns: { "_dmarc.ours.test": { TXT: [["v=DMARC1; p=reject"]] } },
        header_from: "ours.test",
        spf: { result: "pass", domain: "ours.test" },
        dkim: [],
        expect: { result: "pass", policy: "reject" },
      },
    ],
    "dmarc/from-domain.json": [{ from_field: "Ann <ann@ours.test>", domain: "ours.test", lenient: false }],
    "psl/tests.json": [{ domain: "a.ours.test", registrable: "ours.test" }],
    "addresses/smtp-paths.json": [
      { kind: "forward-path", input: "<ann@ours.test>", ok: true },
      { kind: "reverse-path", input: "<ann@>", ok: false },
    ],
    "addresses/mail-parser-address.json": [
      { header: "Ann <ann@ours.test>\n", expected: { List: [{ name: "Ann", address: "ann@ours.test" }] } },
    ],
    "addresses/flanker-mailbox-invalid.json": ["ours.test"],
    "headers/content-type.json": [
      { header: "text/plain\n", expected: { c_type: "text", c_subtype: "plain", attributes: null } },
    ],
    "headers/received.json": [
      { header: "from a.test by b.test; Thu, 1 Jan 2026 00:00:00 +0000\n", expected: { by: { Name: "b.test" } } },
      { header: "nothing\n", expected: null },
    ],
    "headers/unstructured.json": [{ header: "=?utf-8?q?=C3=A4?=\n", expected: "ä" }],
    "headers/authentication-results.json": [
      { value: "ours.test; none", ok: true, authserv_id: "ours.test", results: [] },
    ],
    "sasl/mechanisms.json": [
      { mechanism: "PLAIN", valid: true, notes: "", user: "ann", pass: "pw", initial_response_b64: "AGFubgBwdw==" },
      { mechanism: "X-OURS", valid: true, notes: "" },
    ],
    "sasl/saslprep.json": [{ input: "ann", output: "ann" }],
    "sasl/scram.json": [
      {
        id: "no channel binding data",
        digest: "SHA-256",
        user: "ann",
        pass: "pw",
        salt64: "c2FsdA==",
        iters: 4096,
        clientNonce: "a",
        serverNonce: "b",
        valid: false,
        steps: ["p=tls-exporter,,n=ann,r=a", "r=ab,s=c2FsdA==,i=4096", "c=biws,r=ab,p=AAAA", "v=AAAA", ""],
      },
    ],
    "smtp/commands.json": { cases: [{ state: "greeted", line: "NOOP", expect: "250" }] },
    "smtp/sessions.json": {
      cases: [{ id: "quit", steps: [{ expect: "220" }, { send: "QUIT\r\n" }, { expect: "221" }] }],
    },
    "smtp/data-transparency.json": {
      cases: [
        { direction: "receive", wire: "..\r\n.\r\n", message: ".\r\n" },
        { direction: "send", message: ".\r\n", wire: "..\r\n.\r\n" },
      ],
    },
    "smtp/end-of-data.json": [{ bytes_b64: "Ci4K", ends_data: false }],
    "smtp/replies.json": [{ wire: "250 Ok\r\n", ok: true, notes: "", code: 250, lines: ["Ok"] }],
    "tls-rpt/records.json": [{ txt: "v=TLSRPTv1; rua=mailto:a@ours.test", ok: true, rua: ["mailto:a@ours.test"] }],
    "tls-rpt/reports/ours.json": tlsReport,
  };
  return {
    files: {
      ...Object.fromEntries(Object.entries(json).map(([name, value]) => [name, JSON.stringify(value)])),
      "spf/rfc7208-tests.yml": spfSuite,
      "arc/arc-draft-validation-tests.yml": arcSuite,
      "dkim/messages/unsigned.eml": "From: Ann <ann@example.org>\r\n\r\nHello.\r\n",
      "dkim/messages/signed.eml": signed,
      "mime/ours/plain.eml": "From: Ann <ann@ours.test>\r\nSubject: Plain\r\n\r\nHello.\r\n",
    },
    wanted: {
      "spf/rfc7208": [2, 0, 0, 0],
      "spf/extra": [1, 0, 0, 0],
      "dkim/messages": [2, 0, 1, 0],
      "dkim/key-records": [2, 0, 0, 0],
      "dkim/signature-headers": [1, 0, 0, 0],
      "arc/validation": [1, 0, 0, 0],
      "dmarc/records": [1, 1, 0, 0],
      "dmarc/evaluation": [1, 0, 0, 0],
      "dmarc/from-domain": [1, 0, 0, 0],
      "addresses/smtp-paths": [2, 0, 0, 0],
      "addresses/mail-parser": [1, 0, 0, 0],
      "addresses/flanker-invalid": [1, 0, 0, 0],
      "headers/content-type": [1, 0, 0, 0],
      "headers/received": [1, 0, 1, 0],
      "headers/unstructured": [1, 0, 0, 0],
      "headers/authentication-results": [1, 0, 0, 0],
      "mime/messages": [1, 0, 0, 0],
      "sasl/mechanisms": [1, 0, 1, 0],
      "sasl/saslprep": [1, 0, 0, 0],
      "sasl/scram": [1, 0, 0, 0],
      "smtp/commands": [1, 0, 0, 0],
      "smtp/sessions": [1, 0, 0, 0],
      "smtp/data-transparency, receiving": [1, 0, 1, 0],
      "smtp/data-transparency, sending": [1, 0, 1, 0],
      "smtp/end-of-data, decoder": [1, 0, 0, 0],
      "smtp/end-of-data, server": [1, 0, 0, 0],
      "smtp/replies": [1, 0, 0, 0],
      "tls-rpt/records": [1, 0, 0, 0],
      "tls-rpt/reports": [1, 0, 0, 0],
    },
  };
}
