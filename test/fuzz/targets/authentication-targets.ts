/** Authentication-Results and ARC chains: fields that strangers write, and fields of ours that repeat their words. */
import assert from "node:assert/strict";
import { resultsField } from "../../../src/testing/results-field.ts";
import { readChain } from "../../../src/arc/arc-chain.ts";
import { bearsAuthservId, parseAuthenticationResults } from "../../../src/message/authentication-results.ts";
import { parseHeaderFields } from "../../../src/message/header-section.ts";
import { formatReceivedSpf } from "../../../src/message/received-spf.ts";
import type { FuzzTarget } from "../target.ts";
import { texts } from "../seeds.ts";

const resultWords = [
  "mail.test", "MAIL.test", "\"mail.test\"", "mail.test 1", ";", "; ", "=", ".", "/", "/ 1", "\"", "\\", "(", ")", "((", "\r\n ", "\r\n\t", "\0", "none", "spf=pass",
  "dkim=fail", "reason=\"x\"", "smtp.mailfrom=a@b.test", "header.b=\"Z9k/yZIA\"", " policy.iprev=192.0.2.1", "\xc3\xa9", "\xff", "@", "1", "2",
]; // prettier-ignore

const results: FuzzTarget = {
  name: "authentication-results",
  family: "headers",
  seeds: () =>
    texts(
      "mail.test 1; spf=pass (c) smtp.mailfrom=b.test; dkim=fail reason=\"x y\" header.d=b.test",
      "foo.test (f) 1 (b); dkim (x) / 1 (y) = (z) fail policy (A) . (l) expired (t) = (a) 1362471462",
      "other.test; none",
      "\"q\\\"d\"; iprev=pass policy.iprev=\"2001:db8::1\"; arc=fail (i=1); dmarc=pass header.from=b.test;",
    ), // prettier-ignore
  words: resultWords,
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    const parsed = parseAuthenticationResults(text);
    if (parsed !== undefined && parsed.authservId.toLowerCase() === "mail.test") {
      // Whoever reads it so must not be shown it.
      const [field] = parseHeaderFields(
        Buffer.from(`Authentication-Results: ${text.replaceAll(/[\r\n]/g, " ")}\r\n`),
      ).fields;
      assert.ok(field !== undefined && bearsAuthservId(field, ["mail.test"]));
    }
    const properties = [{ type: "smtp", property: "mailfrom", value: text }];
    const written = resultsField("mail.test", [
      { method: "spf", result: "fail", reason: text, comment: text, properties },
      { method: "dkim", result: "none", properties },
    ]);
    const [only, ...more] = parseHeaderFields(Buffer.from(written)).fields;
    assert.equal(more.length, 0);
    assert.equal(only?.end, written.length);
    const again = parseAuthenticationResults(only.value);
    assert.deepEqual(
      again?.results.map(({ method, result }) => `${method}=${result}`),
      ["spf=fail", "dkim=none"],
    );
    const received = formatReceivedSpf({
      result: "fail",
      identity: "mailfrom",
      comment: text,
      clientAddress: "192.0.2.1",
      reversePath: text,
      hello: text,
      receiver: "mail.test",
    });
    assert.equal(parseHeaderFields(Buffer.from(received)).fields.length, 1);
  },
};

const set = [
  "ARC-Seal: i=1; a=rsa-sha256; t=1; cv=none; d=a.test; s=s; b=AAAA",
  "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=s; h=from:to; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA",
  "ARC-Authentication-Results: i=1; mail.test; spf=pass smtp.mailfrom=b.test",
  "",
].join("\r\n");

const chain: FuzzTarget = {
  name: "arc-chain",
  family: "ARC",
  seeds: () => texts(set, `${set.replaceAll("i=1", "i=2").replace("cv=none", "cv=pass")}${set}From: a@b.test\r\n`),
  words: [
    "i=1;", "i=2;", "i=50;", "i=51;", "i=0;", "cv=none;", "cv=pass;", "cv=fail;", "h=from;", "h=arc-seal;", "t=;", "x=1;", "l=0;", ";", "; ;", "=", ":", "\r\n", "\r\n ",
    "ARC-Seal: ", "ARC-Message-Signature: ", "ARC-Authentication-Results: ", "(c)", "(", "\0", "\xff", " ",
  ], // prettier-ignore
  bytesMax: 4096,
  stretchMax: 64 * 1024,
  run(input) {
    const read = readChain(parseHeaderFields(input), 1_700_000_000_000);
    if (read.kind === "whole") {
      assert.equal(read.sets.length, read.instance);
      assert.deepEqual(
        read.sets.map(({ instance }) => instance),
        Array.from({ length: read.instance }, (_, index) => index + 1),
      );
      assert.ok(read.instance >= 1 && read.instance <= 50 && !read.newestSealSaysFail);
    } else {
      assert.equal(read.sets.length, 0);
      assert.equal(read.detail === "", read.kind === "none");
    }
  },
};

export const authenticationTargets: readonly FuzzTarget[] = [results, chain];
