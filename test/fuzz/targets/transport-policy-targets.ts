/** What strangers publish about TLS to their mail servers, and the certificates that these send. */
import assert from "node:assert/strict";
import { formatTlsa, parseTlsaData, parseTlsaText, tlsaFaultOf, usableRecords } from "../../../src/dane/tlsa-record.ts";
import { readDerCertificate } from "../../../src/lib/der-certificate.ts";
import { hasUnknownCritical, mayVouchFor, pathLengthMax } from "../../../src/dane/issuer-limits.ts";
import { verifyDane } from "../../../src/dane/verify-dane.ts";
import { listsMx, parseStsPolicy, policyLines } from "../../../src/mta-sts/sts-policy.ts";
import { findStsRecord, isStsRecord } from "../../../src/mta-sts/sts-record.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const digest = "ab".repeat(32);

const tlsa: FuzzTarget = {
  name: "tlsa-record",
  family: "transport policy",
  seeds: () =>
    texts(`3 1 1 ${digest}`, `2 0 1 ${digest.toUpperCase()}`, "3 0 0 3082", "255 255 255 00", "\x03\x01\x01ab"),
  words: ["3 1 1 ", "2 0 0 ", "256", "0x", " ", "\t", "\n", "ab", "\x03\x01\x01", "\xff"],
  bytesMax: 512,
  stretchMax: 128 * 1024,
  run(input) {
    const read = parseTlsaText(input.toString("latin1"));
    // What was read is written the same but for white space, and read again.
    if (read !== undefined) assert.deepEqual(parseTlsaText(formatTlsa(read)), read);
    const octets = parseTlsaData(input);
    assert.equal(octets === undefined, input.length < 3);
    const records = [read, octets].filter((record) => record !== undefined);
    for (const record of usableRecords(records)) assert.equal(tlsaFaultOf(record), undefined);
    assert.equal(verifyDane([input], records, ["mx.a.test"], 0).kind, "failed");
  },
};

/** Of an authority for names below a.test, but not b.a.test; its path may have no other authority. */
const authority = Buffer.from(
  [
    "MIIBZTCCAQugAwIBAgIDAQACMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBFJvb3QwIhgPMjAyMDAxMDEwMDAwMDBaGA8yMDQwMDEw",
    "MTAwMDAwMFowDTELMAkGA1UEAwwCQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS4gSoITSWT3Rwp0HjdKGR9FAkyW97+3gtb",
    "GkIbrMgkjKiv4x2rQnDB6miLGZw6JrUVG6EtmpxyFxadGXTJ1fa+o1QwUjAUBgNVHREEDTALggljYS5hLnRlc3QwEgYDVR0TAQH/",
    "BAgwBgEB/wIBADAmBgNVHR4BAf8EHDAaoAowCIIGYS50ZXN0oQwwCoIIYi5hLnRlc3QwCgYIKoZIzj0EAwIDSAAwRQIhAKCb+yB3",
    "H0usjnXVXc5wDmGU7HaPrrqw0Np20K6bdHiOAiA7N7G2LwGLvb76RKAC4q13je/tzJiGSYDo46OsbAtRsg==",
  ].join(""),
  "base64",
);

const certificate: FuzzTarget = {
  name: "certificate",
  family: "transport policy",
  seeds: () => [authority],
  words: [
    "\x30\x03",
    "\x30\x80",
    "\x30\x83\xff\xff\xff",
    "\x06\x03\x55\x1d\x1e",
    "\x82\x00",
    "\xa0",
    "\xa1",
    "\xa3",
    "\x01\x01\xff",
  ],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  run(input) {
    const parts = readDerCertificate(input);
    if (parts === undefined) return;
    assert.equal(parts.publicKeyInfo[0], 0x30);
    assert.ok((pathLengthMax(parts) ?? 0) >= 0);
    assert.equal(typeof hasUnknownCritical(parts), "boolean");
    assert.equal(typeof mayVouchFor(parts, "mx.a.test"), "boolean");
    const verdict = verifyDane([input], [{ usage: 2, selector: 0, matching: 0, data: authority }], ["mx.a.test"], 0);
    assert.equal(verdict.kind, "failed");
  },
};

const stsRecord: FuzzTarget = {
  name: "mta-sts-record",
  family: "transport policy",
  seeds: () => texts("v=STSv1; id=20160831085700Z;", "v=STSv1;id=1; x=y", "v=STSv12; id=1"),
  words: ["v=STSv1", ";", "id=", " ", "\t", "=", "a.b-c_d", "1".repeat(33), "\0"],
  bytesMax: 512,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("latin1");
    const result = findStsRecord([text]);
    assert.equal(result.kind === "none", !isStsRecord(text));
    if (result.kind !== "record") return;
    assert.match(result.record.id, /^[A-Za-z0-9]{1,32}$/);
    assert.equal(findStsRecord([text, text]).kind, "invalid");
  },
};

const stsPolicy: FuzzTarget = {
  name: "mta-sts-policy",
  family: "transport policy",
  seeds: () =>
    texts(
      "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n",
      "mode: none\nversion: STSv1\nmax_age: 86400",
    ),
  words: [
    "version: STSv1",
    "mode: ",
    "enforce",
    "testing",
    "none",
    "max_age: ",
    "31557601",
    "mx: ",
    "*.",
    "\r\n",
    "\n",
    ":",
    "\xc3\xa4",
  ],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  run(input) {
    const result = parseStsPolicy(input);
    if (result.kind === "invalid") return;
    const { policy } = result;
    assert.deepEqual(parseStsPolicy(Buffer.from(policyLines(policy).join("\n"))), result);
    for (const pattern of policy.mx) assert.ok(listsMx(policy, pattern.replace("*", "a")));
  },
};

export const transportPolicyTargets: readonly FuzzTarget[] = [tlsa, certificate, stsRecord, stsPolicy];
