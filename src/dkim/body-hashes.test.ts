import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { caseFile, readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { BodyCanonicalizer } from "./body-canonicalization.ts";
import { BodyHashes } from "./body-hashes.ts";
import { relaxedHeaderField, type Canonicalization } from "./canonicalization.ts";

describe("canonical bodies", () => {
  const table: readonly (readonly [body: string, simple: string, relaxed: string])[] = [
    ["", "\r\n", ""],
    ["\r\n", "\r\n", ""],
    ["\r\n\r\n\r\n", "\r\n", ""],
    ["a", "a\r\n", "a\r\n"],
    ["a\r\n", "a\r\n", "a\r\n"],
    ["a\r\n\r\n", "a\r\n", "a\r\n"],
    ["a \t b\r\n", "a \t b\r\n", "a b\r\n"],
    ["a\tb", "a\tb\r\n", "a b\r\n"],
    [" a\r\n", " a\r\n", " a\r\n"],
    ["\ta\r\n", "\ta\r\n", " a\r\n"],
    ["a  \r\nb\t\r\n", "a  \r\nb\t\r\n", "a\r\nb\r\n"],
    ["a\r\n \t\r\n\r\n", "a\r\n \t\r\n", "a\r\n"],
    ["a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"],
    [" ", " \r\n", ""],
    ["a ", "a \r\n", "a\r\n"],
    ["\r\na", "\r\na\r\n", "\r\na\r\n"],
    [" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"],
    // Bare CR and LF are octets like any other.
    ["a\r", "a\r\r\n", "a\r\r\n"],
    ["a \r b", "a \r b\r\n", "a \r b\r\n"],
    ["a\n \n", "a\n \n\r\n", "a\n \n\r\n"],
    ["\r", "\r\r\n", "\r\r\n"],
    ["a\r\r\n\n", "a\r\r\n\n\r\n", "a\r\r\n\n\r\n"],
  ];
  for (const [body, simple, relaxed] of table) {
    test(`DKIM-002: ${JSON.stringify(body)}`, () => {
      assert.equal(canonicalBody("simple", [body]), simple);
      assert.equal(canonicalBody("relaxed", [body]), relaxed);
      assert.equal(canonicalBody("simple", body.split("")), simple);
      assert.equal(canonicalBody("relaxed", body.split("")), relaxed);
    });
  }
});

test("DKIM-001: a body cut at every offset has the same hashes", () => {
  const body = "\r\n Hello \t wor\rld  \r\n\t\r\n \r\n\r\nb \r\nc\td\r\n\r\n \r\n";
  for (const form of ["simple", "relaxed"] as const) {
    const whole = canonicalBody(form, [body]);
    for (let first = 0; first <= body.length; first++) {
      for (let second = first; second <= body.length; second++) {
        const parts = [body.slice(0, first), body.slice(first, second), body.slice(second)];
        assert.equal(canonicalBody(form, parts), whole, JSON.stringify(parts));
      }
    }
  }
});

test("DKIM-001: no way of cutting a body into slices changes its canonical forms (property)", () => {
  const piece = fc.constantFrom("a", "bc", "=", " ", "  ", "\t", "\r\n", "\r", "\n", "\r\n\r\n", " \r\n", "é");
  const body = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(body, fc.array(fc.nat(100), { maxLength: 12 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      for (const form of ["simple", "relaxed"] as const) {
        assert.equal(canonicalBody(form, cut(bytes, cuts)), modelOf(form, bytes.toString("latin1")));
      }
    }),
    { numRuns: 2000 },
  );
});

test("bodies that are longer than a part and canonical only here and there (property)", () => {
  const word = fc.constantFrom("word ", "word  ", "line\r\n", "line \r\n", "\t", "\r\n\r\n");
  const stretch = fc.record({ text: word, times: fc.integer({ min: 1, max: 6000 }) });
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 6 }), fc.array(fc.nat(90_000), { maxLength: 3 }), (stretches, cuts) => {
      const text = stretches.map(({ text, times }) => text.repeat(times)).join("");
      for (const form of ["simple", "relaxed"] as const) {
        assert.equal(canonicalBody(form, cut(Buffer.from(text, "latin1"), cuts)), modelOf(form, text));
      }
    }),
    { numRuns: 60 },
  );
});

test("DKIM-001: conformance: canonicalization", async (t) => {
  const index = readVectors<readonly { readonly id: string }[]>(t, "dkim", "canonicalization", "index.json");
  if (index === undefined) return;
  const read = (name: string): string => caseFile("dkim", "canonicalization", name).toString("latin1");
  await runVectors(
    t,
    "dkim/canonicalization",
    index,
    ({ id }) => id,
    ({ id }) => {
      // The set keeps its messages with the line ends of Unix.
      const message = Buffer.from(read(`${id}.email`).replaceAll(/\r?\n/g, "\r\n"), "latin1");
      const collector = new HeaderCollector();
      const progress = collector.push(message);
      const found = progress.kind === "need-more" ? collector.end() : progress;
      if (found.kind !== "complete") assert.fail(found.kind);
      const body = found.rest.subarray(2).toString("latin1");
      const { fields } = parseHeaderFields(found.header);
      const relaxedHeader = fields.map((field) => relaxedHeaderField(field.raw).toString("latin1")).join("");
      assert.equal(`${relaxedHeader}\r\n${canonicalBody("relaxed", [body])}`, read(`${id}.relaxed.expected`));
      const header = found.header.toString("latin1");
      assert.equal(`${header}\r\n${canonicalBody("simple", [body])}`, read(`${id}.simple.expected`));
    },
  );
});

describe("BodyHashes", () => {
  test("equal requests share one hash", () => {
    const bodies = new BodyHashes();
    const first = bodies.request("relaxed", "sha256");
    assert.equal(bodies.request("relaxed", "sha256"), first);
    assert.notEqual(bodies.request("simple", "sha256"), first);
    assert.notEqual(bodies.request("relaxed", "sha256", 10), first);
    assert.notEqual(bodies.request("relaxed", "sha1"), first);
  });

  test("the empty line is not body, however it is cut", () => {
    for (const parts of [["\r\nabc\r\n"], ["\r", "\nabc\r\n"], ["", "\r", "", "\n", "abc\r\n"], ["\r\n", "abc"]]) {
      const bodies = new BodyHashes();
      const hash = bodies.request("simple", "sha256");
      for (const part of parts) bodies.push(Buffer.from(part));
      bodies.end();
      assert.equal(hash.digest().toString("hex"), sha256("abc\r\n"));
      assert.equal(hash.digest(), hash.digest());
      assert.equal(hash.canonicalLength, 5);
      assert.equal(bodies.malformedStart, false);
    }
  });

  test("nothing behind the header section is an empty body", () => {
    const bodies = new BodyHashes();
    const simple = bodies.request("simple", "sha256");
    const relaxed = bodies.request("relaxed", "sha256");
    bodies.end();
    assert.equal(simple.digest().toString("hex"), sha256("\r\n"));
    assert.equal(relaxed.digest().toString("hex"), sha256(""));
    assert.equal(bodies.malformedStart, false);
  });

  test("DKIM-016: a line that is no field and no empty line is told", () => {
    for (const parts of [["no field\r\n\r\nbody"], ["\r", "x"], ["\r"], ["\n"], [" folded\r\n"], ["\r\r\n"]]) {
      const bodies = new BodyHashes();
      for (const part of parts) bodies.push(Buffer.from(part));
      bodies.end();
      assert.equal(bodies.malformedStart, true, JSON.stringify(parts));
    }
  });

  test("l= ends the hash, not the length", () => {
    for (let lengthMax = 0; lengthMax < 8; lengthMax++) {
      const bodies = new BodyHashes();
      const hash = bodies.request("relaxed", "sha256", lengthMax);
      for (const part of ["\r\n", "ab\t", "\tc", "\r\n"]) bodies.push(Buffer.from(part));
      bodies.end();
      assert.equal(hash.digest().toString("hex"), sha256("ab c\r\n".slice(0, lengthMax)));
      assert.equal(hash.canonicalLength, 6);
    }
  });
});

function canonicalBody(form: Canonicalization, parts: readonly (string | Buffer)[]): string {
  const found: string[] = [];
  const canonicalizer = new BodyCanonicalizer(form, (bytes) => found.push(bytes.toString("latin1")));
  for (const part of parts) canonicalizer.push(typeof part === "string" ? Buffer.from(part, "latin1") : part);
  canonicalizer.end();
  return found.join("");
}

/** The standard's words, on the whole body at once. */
function modelOf(form: Canonicalization, body: string): string {
  const lines = body.split("\r\n");
  const changed = form === "simple" ? lines : lines.map((line) => line.replaceAll(/[ \t]+/g, " ").replace(/ $/, ""));
  while (changed.at(-1) === "") changed.pop();
  if (changed.length === 0) return form === "simple" ? "\r\n" : "";
  return `${changed.join("\r\n")}\r\n`;
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (const at of cuts.toSorted((a, b) => a - b)) {
    const end = Math.max(start, Math.min(at, bytes.length));
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  return [...parts, bytes.subarray(start)];
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}

test("a hash that was requested in time may be asked for again while the body arrives, a new one may not", () => {
  const bodies = new BodyHashes();
  const early = bodies.request("relaxed", "sha256");
  bodies.push(Buffer.from("\r\nbody\r\n"));
  assert.equal(bodies.request("relaxed", "sha256"), early);
  assert.throws(() => bodies.request("simple", "sha256"));
  assert.throws(() => bodies.request("relaxed", "sha256", 10));
});
