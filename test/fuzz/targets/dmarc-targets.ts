/** DMARC: records, author domains, and the whole evaluation with a DNS that belongs to somebody hostile. */
import assert from "node:assert/strict";
import { readAuthorDomain } from "../../../src/dmarc/author-domain.ts";
import { parseDmarcRecord, reportUrisMax } from "../../../src/dmarc/dmarc-record.ts";
import { dkimOutcome, spfOutcome } from "../../../src/testing/dmarc-evidence.ts";
import { evaluateDmarc } from "../../../src/dmarc/evaluate-dmarc.ts";
import { parseHeaderFields } from "../../../src/message/header-section.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";
import { ZoneText } from "../zone-text.ts";

const recordWords = [
  "v=DMARC1", "v=DMARC1;", "V = DMARC1 ;", ";", ";;", " ", "\t", "=", "p=none;", "p=reject;", "p=quarantine;", "p=x;", "sp=none;", "np=reject;", "adkim=s;", "aspf=r;", "t=y;", "psd=y;", "psd=n;", "psd=u;", "fo=1:d:s;", "fo=0;", "pct=0;", "ri=x;",
  "rua=", "ruf=", "mailto:a@b.test", "mailto:", ",", "!10m", "!99999999999999999999t", "https://x.test/", "%2C", "%", "\0", "\xff", "\xc3\xa9",
]; // prettier-ignore

const record: FuzzTarget = {
  name: "dmarc-record",
  family: "DMARC",
  seeds: () =>
    texts(
      "v=DMARC1; p=none",
      "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=r; t=y; psd=n; rua=mailto:a@b.test!10m,https://c.test/x; ruf=mailto:d@e.test; fo=1:d:s",
      "v=DMARC1; rua=mailto:a@b.test; p=bogus",
    ), // prettier-ignore
  words: recordWords,
  bytesMax: 1200,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    const parsed = parseDmarcRecord(text);
    for (const problem of parsed.problems) assert.match(problem, /^[A-Z~a-z]/);
    if (parsed.kind === "other") return;
    const { rua, ruf, p, reportBytesMax = {} } = parsed.record;
    assert.ok(rua.length <= reportUrisMax && ruf.length <= reportUrisMax);
    for (const uri of [...rua, ...ruf]) assert.match(uri, /^[a-z][a-z\d+.-]*:[!-~]*$/i);
    for (const size of Object.values(reportBytesMax)) assert.ok(size >= 0);
    assert.equal(parsed.kind, parsed.kind === "record" ? "record" : "unusable");
    if (parsed.kind === "unusable") assert.ok(p === "none" && parsed.problems.length > 0);
    assert.deepEqual(parseDmarcRecord(` ${text} `).kind, parsed.kind, "white space around it changes nothing");
  },
};

const author: FuzzTarget = {
  name: "author-domain",
  family: "DMARC",
  seeds: () =>
    texts(
      "From: Ann <ann@example.org>\r\n",
      "From: \"a@evil.test\" <ann@example.org>, b@EXAMPLE.org\r\n",
      "From: g: a@b.test, c@d.test;\r\nFrom: x@y.test\r\n",
      "From: =?utf-8?q?a=40evil.test?= (c(d)) <@r.test:ann@\xd0\xbf\xd1\x80.\xd1\x80\xd1\x84>\r\n",
      "From: ann@[192.0.2.1]\r\n",
    ), // prettier-ignore
  words: [
    "From: ", "From :", "from:", "\r\n", "\r\n ", "\r\n\t", "<", ">", "@", ",", ";", ":", "\"", "\\", "(", ")", ".", "..", "[", "]", " ", "\0", "\xff", "\xc3\xa9", "\xe2\x80\xae", "a@b.test", "<a@b.test>", "ann@example.org", "=?utf-8?q?", "?=", "xn--",
  ], // prettier-ignore
  bytesMax: 1200,
  stretchMax: 256 * 1024,
  run(input) {
    const header = parseHeaderFields(input);
    const read = readAuthorDomain(header);
    if (read.kind !== "domain") {
      assert.match(read.detail, /^[ -~]+$/);
      return;
    }
    assert.equal(header.all("from").length, 1);
    assert.ok(/^[!-~]{1,255}$/.test(read.domain) && read.domain === read.domain.toLowerCase());
    assert.ok(!/[@[\]<>,;:()"\\]/.test(read.domain), "nothing but a name");
  },
};

/** A walk of eight, its end, a domain that must exist, and eight for each of the identifiers. */
const queriesMax = 9 + 16 * 8;

const evaluation: FuzzTarget = {
  name: "dmarc-evaluation",
  family: "DMARC",
  // The author's domain, what SPF and DKIM vouch for, and then a zone.
  seeds: () =>
    texts(
      "example.org|pass example.org|pass example.org\n_dmarc.example.org TXT v=DMARC1; p=reject; adkim=s\n",
      "a.b.c.d.e.f.g.h.i.example.org|fail x.test|pass mail.example.org\n_dmarc.org TXT v=DMARC1; p=none; psd=y\n_dmarc.example.org TXT v=DMARC1; p=quarantine; np=reject; t=y\n",
      "gone.example.org|temperror example.org|temperror example.org\n_dmarc.example.org TXT v=DMARC1; p=none; np=reject\ngone.example.org FAIL\n",
    ), // prettier-ignore
  words: [
    ...recordWords,
    "\n",
    "|",
    "_dmarc.",
    "example.org",
    "org",
    ".",
    " TXT ",
    " FAIL",
    " CNAME x.test",
    "pass ",
    "temperror ",
    "fail ",
  ],
  bytesMax: 1500,
  stretchMax: 64 * 1024,
  async run(input) {
    const text = input.toString("latin1");
    const [head = ""] = text.split("\n", 1);
    const [domain = "", spf = "", ...signatures] = head.split("|");
    const result = (given: string) =>
      given.startsWith("pass") ? "pass" : given.startsWith("temp") ? "temperror" : "fail";
    const nameOf = (given: string) => given.slice(given.indexOf(" ") + 1);
    const resolver = new ZoneText(text.slice(head.length + 1), { queriesMax });
    const found = readAuthorDomain(parseHeaderFields(Buffer.from(`From: a@${domain}\r\n`, "latin1")));
    const outcome = await evaluateDmarc(
      {
        author: found,
        spf: spfOutcome(result(spf), nameOf(spf)),
        nullReversePath: false,
        dkim: signatures.map((each) => dkimOutcome(result(each), nameOf(each))),
      },
      { resolver },
    );
    assert.ok(outcome.detail !== "");
    assert.equal(outcome.result === "pass", outcome.spfAligned || outcome.dkimAligned);
    if (outcome.result === "pass") {
      assert.ok(
        [spf, ...signatures].some((each) => result(each) === "pass"),
        "something must have passed",
      );
    }
    if (outcome.result === "none" || outcome.result === "permerror") assert.equal(outcome.policy, "none");
  },
};

export const dmarcTargets: readonly FuzzTarget[] = [record, author, evaluation];
