import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVectors } from "../testing/conformance-data.ts";
import { resultsField } from "../testing/results-field.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { bearsAuthservId, type MethodResult, parseAuthenticationResults } from "./authentication-results.ts";
import { parseHeaderFields, type HeaderField } from "./header-section.ts";

interface Vector {
  readonly value: string;
  readonly ok: boolean;
  readonly authserv_id?: string;
  readonly version?: string;
  readonly results?: readonly {
    readonly method: string;
    readonly result: string;
    readonly reason?: string;
    readonly props: Readonly<Record<string, string>>;
  }[];
}

function fieldOf(text: string): HeaderField {
  const [field] = parseHeaderFields(Buffer.from(text.endsWith("\r\n") ? text : `${text}\r\n`)).fields;
  assert.ok(field);
  return field;
}

function bears(text: string, ...ids: string[]): boolean {
  return bearsAuthservId(fieldOf(text), ids);
}

test("AR-003: published vectors of the field are read as they say", async (t) => {
  const vectors = readVectors<readonly Vector[]>(t, "headers", "authentication-results.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "headers/authentication-results",
    vectors,
    (vector) => vector.value,
    (vector) => {
      const parsed = parseAuthenticationResults(vector.value);
      if (!vector.ok) {
        assert.equal(parsed, undefined);
        return;
      }
      assert.ok(parsed);
      assert.equal(parsed.authservId, vector.authserv_id);
      assert.equal(parsed.version, vector.version);
      const results = parsed.results.map(({ method, result, reason, properties }) => ({
        method,
        result,
        ...(reason !== undefined && { reason }),
        props: Object.fromEntries(properties.map(({ type, property, value }) => [`${type}.${property}`, value])),
      }));
      assert.deepEqual(results, vector.results);
    },
  );
});

test("AR-003: a field is folded, one result to a line", () => {
  const field = resultsField("mx.example.org", [
    {
      method: "iprev",
      result: "pass",
      properties: [{ type: "policy", property: "iprev", value: "192.0.2.1" }],
    },
    {
      method: "dkim",
      result: "pass",
      comment: "2048-bit RSA key",
      properties: [
        { type: "header", property: "d", value: "example.com" },
        { type: "header", property: "i", value: "@example.com" },
        { type: "header", property: "b", value: "Z9k/yZIA" },
      ],
    },
  ]);
  assert.equal(
    field,
    "Authentication-Results: mx.example.org;\r\n" +
      "\tiprev=pass policy.iprev=192.0.2.1;\r\n" +
      "\tdkim=pass (2048-bit RSA key) header.d=example.com\r\n" +
      '\t header.i=@example.com header.b="Z9k/yZIA"\r\n',
  );
});

test("AR-003: where nothing was done the field says none", () => {
  assert.equal(resultsField("mx.example.org", []), "Authentication-Results: mx.example.org; none\r\n");
  assert.deepEqual(parseAuthenticationResults("mx.example.org; none"), { authservId: "mx.example.org", results: [] });
  assert.deepEqual(parseAuthenticationResults("mx.example.org 1; none;"), {
    authservId: "mx.example.org",
    version: "1",
    results: [],
  });
});

test("AR-003: hostile values stay values", () => {
  const hostile = 'x"; dkim=pass header.d=bank.example\r\nX-Evil: 1\u0000\u0007\\';
  const text = resultsField("mx.example.org", [
    { method: "spf", result: "fail", properties: [{ type: "smtp", property: "mailfrom", value: hostile }] },
  ]);
  const section = parseHeaderFields(Buffer.from(text));
  assert.equal(section.fields.length, 1);
  const parsed = parseAuthenticationResults(fieldOf(text).value);
  assert.equal(parsed?.results.length, 1);
  assert.equal(parsed.results[0]?.properties[0]?.value, 'x"; dkim=pass header.d=bank.example X-Evil: 1??\\');
});

test("AR-003: a comment cannot be left from within", () => {
  const text = resultsField("mx.example.org", [
    { method: "dkim", result: "fail", comment: "bad) dkim=pass (\\", properties: [] },
  ]);
  assert.deepEqual(parseAuthenticationResults(fieldOf(text).value)?.results, [
    { method: "dkim", result: "fail", comment: "bad] dkim=pass [/", properties: [] },
  ]);
});

test("AR-003: an internationalised domain becomes A-labels", () => {
  const results: MethodResult[] = [
    { method: "spf", result: "pass", properties: [{ type: "smtp", property: "mailfrom", value: "bücher.example" }] },
    { method: "dkim", result: "pass", properties: [{ type: "header", property: "i", value: "jürgen@bücher.example" }] },
  ];
  assert.equal(
    resultsField("mx.example.org", results),
    "Authentication-Results: mx.example.org;\r\n" +
      "\tspf=pass smtp.mailfrom=xn--bcher-kva.example;\r\n" +
      '\tdkim=pass header.i="j?rgen@xn--bcher-kva.example"\r\n',
  );
});

test("AR-003: whatever the values are, the field is one field, ASCII, and reads back", () => {
  const value = fc.string({ unit: "binary", maxLength: 400 });
  fc.assert(
    fc.property(value, value, (first, second) => {
      const text = resultsField("mx.example.org", [
        {
          method: "spf",
          result: "fail",
          reason: first,
          comment: second,
          properties: [{ type: "smtp", property: "mailfrom", value: first }],
        },
        { method: "dkim", result: "none", properties: [{ type: "header", property: "d", value: second }] },
      ]);
      assert.ok(text.endsWith("\r\n"));
      assert.match(text, /^[\t\r\n\u0020-\u007e]*$/);
      for (const line of text.slice(0, -2).split("\r\n")) {
        assert.ok(line.length <= 998);
        assert.notEqual(line.trim(), "");
      }
      const section = parseHeaderFields(Buffer.from(text));
      assert.equal(section.fields.length, 1);
      const parsed = parseAuthenticationResults(section.fields[0]?.value ?? "");
      assert.deepEqual(
        parsed?.results.map(({ method, result, properties }) => [method, result, properties.length]),
        [
          ["spf", "fail", 1],
          ["dkim", "none", 1],
        ],
      );
    }),
    { numRuns: 500 },
  );
});

test("what other hosts write is read: missing types, unquoted base64, empty values", () => {
  const parsed = parseAuthenticationResults(
    "mx.example.net; spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=;" +
      " dkim=pass header.b=abc/def=;dmarc=pass action=none header.from=x.example;compauth=pass reason=100",
  );
  assert.deepEqual(parsed?.results, [
    {
      method: "spf",
      result: "pass",
      comment: "sender IP is 192.0.2.1",
      properties: [{ type: "smtp", property: "mailfrom", value: "" }],
    },
    { method: "dkim", result: "pass", properties: [{ type: "header", property: "b", value: "abc/def=" }] },
    {
      method: "dmarc",
      result: "pass",
      properties: [
        { type: "", property: "action", value: "none" },
        { type: "header", property: "from", value: "x.example" },
      ],
    },
    { method: "compauth", result: "pass", reason: "100", properties: [] },
  ]);
});

test("reading is bounded", () => {
  assert.equal(parseAuthenticationResults(`x; ${"spf=pass; ".repeat(100_000)}`), undefined);
  assert.equal(parseAuthenticationResults(`x; ${"spf=pass; ".repeat(201)}`), undefined);
  assert.equal(parseAuthenticationResults(`x; spf=pass ${"a.b=c ".repeat(101)}`), undefined);
  assert.equal(parseAuthenticationResults("(".repeat(60_000)), undefined);
});

test("AR-001: a field of a megabyte is told apart without delay", () => {
  for (const unit of ["(a) ", "()", '"" ', " 1", "\0", "(", '"', "a "]) {
    const text = `x${unit.repeat(1_000_000 / unit.length)}`;
    // What is never closed is nobody's, and so it counts as ours.
    assert.equal(bears(`Authentication-Results: ${text}`, "mx.local"), unit === "(", unit);
  }
});

test("reading anything ends without an error", () => {
  const unit = fc.constantFrom("(", ")", '"', "\\", ";", "=", ".", "/", " ", "\r\n\t", "a", "1", "@", "none", "spf");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
      parseAuthenticationResults(text);
      bears(`Authentication-Results: ${text}`, "a");
    }),
    { numRuns: 3000 },
  );
});

test("AR-001: a field that bears our authserv-id is known in any disguise", () => {
  const disguises = [
    "Authentication-Results: mx.local; dkim=pass",
    "AUTHENTICATION-results: MX.Local; dkim=pass",
    "Authentication-Results : mx.local; dkim=pass",
    "Authentication-Results:mx.local;dkim=pass",
    'Authentication-Results: "mx.local"; dkim=pass',
    String.raw`Authentication-Results: "mx\.local"; dkim=pass`,
    'Authentication-Results: "mx".local; dkim=pass',
    "Authentication-Results: mx.local 1; dkim=pass",
    "Authentication-Results: mx.local\r\n\t1 ; dkim=pass",
    "Authentication-Results: (a (nested) comment) mx.local (x) 1 (y); dkim=pass",
    "Authentication-Results: mx.(x)local(y)1; dkim=pass",
    "Authentication-Results:\r\n mx\r\n .local; dkim=pass",
    "Authentication-Results: mx.local.; dkim=pass",
    "Authentication-Results: mx.local",
    "Authentication-Results: mx.local/1; dkim=pass",
    "Authentication-Results: mx.local; dkim=pass (unclosed",
    "Authentication-Results: (unclosed mx.local; dkim=pass",
    'Authentication-Results: "mx.local; dkim=pass',
    "Authentication-Results: mx.(x)local (unclosed; dkim=pass",
    'Authentication-Results: "m\\x.local; dkim=pass',
  ];
  for (const disguise of disguises) assert.ok(bears(disguise, "other.example", "mx.local"), disguise);
});

test("AR-001: names in A-labels and U-labels are the same name", () => {
  assert.ok(bears("Authentication-Results: bücher.example; none", "xn--bcher-kva.example"));
  assert.ok(bears("Authentication-Results: BÜCHER.example; none", "xn--bcher-kva.example"));
  assert.ok(bears("Authentication-Results: XN--Bcher-kva.example 1; none", "bücher.example"));
});

test("AR-001: fields of other hosts stay", () => {
  const others = [
    "Authentication-Results: mx.local.example; dkim=pass",
    "Authentication-Results: mx2.local; dkim=pass",
    "Authentication-Results: mx.local1; dkim=pass",
    "Authentication-Results: other.example; dkim=pass header.d=mx.local",
    "Authentication-Results: other.example (mx.local); dkim=pass",
    "ARC-Authentication-Results: i=1; mx.local; dkim=pass",
    "X-Authentication-Results: mx.local; dkim=pass",
  ];
  for (const other of others) assert.ok(!bears(other, "mx.local"), other);
});
