import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDmarcRecord, reportUrisMax } from "./dmarc-record.ts";

function recordOf(text: string) {
  const parsed = parseDmarcRecord(text);
  assert.equal(parsed.kind, "record", text);
  return parsed.record;
}

test("DMARC-002: v=DMARC1 comes first, in its case, ended by a semicolon or the end", () => {
  for (const text of ["v=DMARC1", "v=DMARC1;p=none", " v = DMARC1 ; p=none", "V=DMARC1"]) {
    assert.notEqual(parseDmarcRecord(text).kind, "other", text);
  }
  for (const text of [
    "",
    "v=DMARC1x",
    "v=dmarc1;p=none",
    "p=none;v=DMARC1",
    "v=DMARC1 p=none",
    ";v=DMARC1",
    "v=spf1",
  ]) {
    assert.equal(parseDmarcRecord(text).kind, "other", text);
  }
});

test("DMARC-002: unknown tags are ignored, bad values fall back, those of RFC 7489 are history", () => {
  const record = recordOf(
    "v=DMARC1; P=none; p=Reject; aspf=x; adkim=S; t=Y; psd=maybe; pct=5; ri=1; rf=afrf; zz=!; ; =; q",
  );
  assert.deepEqual(record, {
    p: "reject",
    adkim: "strict",
    aspf: "relaxed",
    testing: true,
    psd: "u",
    rua: [],
    ruf: [],
    fo: ["0"],
  });
});

test("a record that is made to cost time is looked at as far as real ones go", () => {
  const tags = Array.from({ length: 10_000 }, (_, index) => `x${index}=1`).join(";");
  assert.equal(recordOf(`v=DMARC1; p=reject; ${tags}`).p, "reject");
  const listed = recordOf(`v=DMARC1; p=reject; rua=${"x,".repeat(10_000)}mailto:a@b.test`);
  assert.deepEqual([listed.p, listed.rua], ["reject", []]);
});

test("DMARC-002: names of tags are read in any case; where both stand there the usual spelling counts", () => {
  const capitals = recordOf("V=DMARC1; P=Reject; SP=none; RUA=mailto:a@b.test");
  assert.deepEqual([capitals.p, capitals.sp, capitals.rua], ["reject", "none", ["mailto:a@b.test"]]);
  assert.equal(recordOf("v=DMARC1; P=none; p=reject").p, "reject");
});

test("DMARC-002: a tag that stands there twice makes the record no record (RFC 6376 §3.2)", () => {
  for (const text of ["v=DMARC1; p=none; p=none", "v=DMARC1; p=none; x=1; x=2", "v=DMARC1; p=none; v=DMARC1"]) {
    assert.equal(parseDmarcRecord(text).kind, "other", text);
  }
});

test("DMARC-008: without a valid p, or with an invalid sp or np, only a rua keeps the record alive, as p=none", () => {
  for (const tags of ["", "p=;", "p=foo;", "p=reject; sp=foo;", "p=reject; sp=reject; np=;"]) {
    assert.equal(parseDmarcRecord(`v=DMARC1; ${tags}`).kind, "unusable", tags);
    assert.equal(parseDmarcRecord(`v=DMARC1; ${tags} rua=x@y.example`).kind, "unusable", "an address is no URI");
    const { p, sp, np } = recordOf(`v=DMARC1; ${tags} rua=mailto:x@y.example`);
    assert.deepEqual([p, sp, np], ["none", undefined, undefined], tags);
  }
});

test("report URIs: several, without the obsolete size, sound ones only, and not without end", () => {
  const { rua, ruf } = recordOf(
    "v=DMARC1; p=none; rua=mailto:a@x.example!10m , https://x.example/r?a=b,, nobody@x.example; ruf=mailto:a%21b@x.example",
  );
  assert.deepEqual(rua, ["mailto:a@x.example", "https://x.example/r?a=b"]);
  assert.deepEqual(ruf, ["mailto:a%21b@x.example"]);
  const many = Array.from({ length: 1000 }, (_, index) => `mailto:${index}@x.example`);
  assert.deepEqual(recordOf(`v=DMARC1; p=none; rua=${many.join(",")}`).rua, many.slice(0, reportUrisMax));
});

test("fo counts with ruf only, and 0 and 1 exclude each other", () => {
  const foOf = (tags: string) => recordOf(`v=DMARC1; p=none; ${tags}`).fo;
  assert.deepEqual(foOf("fo=1:d:s"), ["0"]);
  assert.deepEqual(foOf("ruf=mailto:a@x.example; fo=1:D:s"), ["1", "d", "s"]);
  for (const fo of ["0:1", "d:d", "x", ""]) assert.deepEqual(foOf(`ruf=mailto:a@x.example; fo=${fo}`), ["0"], fo);
});

test("any text gives a value, quickly", () => {
  const piece = fc.constantFrom(
    "v=DMARC1",
    ";",
    "p=",
    "none",
    "rua=",
    "mailto:a@b.c",
    "!",
    "1k",
    ",",
    " ",
    "=",
    "\t",
    "é",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), (pieces) => {
      const parsed = parseDmarcRecord(`v=DMARC1;${pieces.join("")}`);
      if (parsed.kind === "other") return;
      assert.ok(["none", "quarantine", "reject"].includes(parsed.record.p));
      for (const uri of [...parsed.record.rua, ...parsed.record.ruf]) assert.doesNotMatch(uri, /[\s,!;]/);
    }),
  );
  const bait = [" ".repeat(65_000), "=".repeat(65_000), "!1".repeat(32_000), ",".repeat(65_000), ";".repeat(65_000)];
  for (const text of bait) {
    parseDmarcRecord(`v=DMARC1;p=none;rua=${text}`);
    parseDmarcRecord(`v=DMARC1;p=none;rua=mailto:${text}x`);
    parseDmarcRecord(`v=${text}`);
  }
});
