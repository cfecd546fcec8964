/** The values of ACME: signatures, requests for certificates, identifiers of renewals, answers of strangers. */
import assert from "node:assert/strict";
import { createHmac, createPublicKey, verify, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { readElement, readElements } from "../lib/der-certificate.ts";
import { CertificateAuthority } from "../testing/certificate-authority.ts";
import { certificateRequest } from "./certificate-request.ts";
import { alpnDigestOf, dnsRecordOf, proofOf } from "./challenge.ts";
import { accountKeyOf, externalBinding, newEcKeyPem, signedRequest } from "./jws.ts";
import { answerBytesMax, problemWords, readAnswer, shapes } from "./messages.ts";
import { stepOfAuthorization, stepOfOrder } from "./order-steps.ts";
import { renewalIdentifier, renewalTime, suggestedTime } from "./renewal.ts";

const day = 86_400_000;

function decoded(text: string) {
  return JSON.parse(Buffer.from(text, "base64url").toString()) as Record<string, unknown>;
}

test("a request is signed with ES256 over header and payload; the first one has the key, later ones the account", () => {
  const key = accountKeyOf(newEcKeyPem());
  const read = (body: string) => JSON.parse(body) as { protected: string; payload: string; signature: string };
  const first = read(signedRequest(key, { url: "https://ca.test/a", nonce: "n1" }, { a: 1 }));
  assert.deepEqual(decoded(first.protected), { alg: "ES256", nonce: "n1", url: "https://ca.test/a", jwk: key.jwk });
  assert.deepEqual(decoded(first.payload), { a: 1 });
  const signature = Buffer.from(first.signature, "base64url");
  const signed = Buffer.from(`${first.protected}.${first.payload}`);
  assert.ok(verify("sha256", signed, { key: createPublicKey(key.privateKey), dsaEncoding: "ieee-p1363" }, signature));
  const later = read(
    signedRequest(key, { url: "https://ca.test/b", nonce: "n2", account: "https://ca.test/1" }, undefined),
  );
  assert.deepEqual(decoded(later.protected), {
    alg: "ES256",
    nonce: "n2",
    url: "https://ca.test/b",
    kid: "https://ca.test/1",
  });
  assert.equal(later.payload, "", "POST-as-GET");
  assert.throws(() => accountKeyOf("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"));
});

test("an external account signs our key with its own", () => {
  const key = accountKeyOf(newEcKeyPem());
  const hmacKey = Buffer.from("secret").toString("base64url");
  const bound = externalBinding({ kid: "k", hmacKey }, key, "https://ca.test/new-account") as Record<string, string>;
  assert.deepEqual(decoded(bound["protected"] ?? ""), { alg: "HS256", kid: "k", url: "https://ca.test/new-account" });
  assert.deepEqual(decoded(bound["payload"] ?? ""), { ...key.jwk });
  const mac = createHmac("sha256", "secret").update(`${bound["protected"]}.${bound["payload"]}`).digest("base64url");
  assert.equal(bound["signature"], mac);
});

test("a request for a certificate holds names and key, and is signed by it", () => {
  const keyPem = newEcKeyPem();
  const csr = certificateRequest(keyPem, ["mail.example.org", "*.example.org"]);
  const [info, , bits] = readElements(readElement(csr, 0)?.content ?? assert.fail(), 3) ?? assert.fail();
  const publicKey = createPublicKey(keyPem);
  assert.ok(verify("sha256", info?.whole ?? assert.fail(), publicKey, bits?.content.subarray(1) ?? assert.fail()));
  assert.ok(csr.includes(publicKey.export({ type: "spki", format: "der" })));
  for (const name of ["mail.example.org", "*.example.org"])
    assert.ok(csr.includes(`\x82${String.fromCharCode(name.length)}${name}`, 0, "latin1"));
});

test("proofs: the values of RFC 8555 §8 and RFC 8737 §3", () => {
  const proof = proofOf(
    "dns-01",
    "example.org",
    "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
    "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI",
  );
  const { name, value } = dnsRecordOf(proof);
  assert.equal(name, "_acme-challenge.example.org");
  assert.equal(Buffer.from(value, "base64url").toString("hex"), alpnDigestOf(proof).toString("hex"));
  assert.equal(alpnDigestOf(proof).length, 32);
});

test("the tables of orders and authorizations", () => {
  const rest = { authorizations: [], finalize: "https://ca.test/f" };
  const steps = (["pending", "ready", "processing", "valid", "invalid"] as const).map((status) => [
    stepOfOrder({ status, ...rest }, { finalized: false }),
    stepOfOrder({ status, ...rest }, { finalized: true }),
  ]);
  assert.deepEqual(steps, [
    ["authorize", "authorize"],
    ["finalize", "wait"],
    ["wait", "wait"],
    ["download", "download"],
    ["failed", "failed"],
  ]);
  const of = (status: Parameters<typeof stepOfAuthorization>[0]["status"]) =>
    stepOfAuthorization({ status, identifier: { type: "dns", value: "a" }, challenges: [] });
  assert.deepEqual((["pending", "valid", "invalid", "deactivated", "expired", "revoked"] as const).map(of), [
    "prove",
    "proven",
    "failed",
    "failed",
    "failed",
    "failed",
  ]);
});

test("a certificate's identifier is its issuer's key identifier and its serial number, as they are encoded", () => {
  const now = Date.UTC(2026, 0, 1);
  const terms = { names: ["a.test"], validFrom: now, validTo: now + 90 * day };
  const { certificatePem } = new CertificateAuthority(now, "Twenty octets of key").pair(terms);
  const [keyIdentifier = "", serial = ""] = renewalIdentifier(certificatePem)?.split(".") ?? [];
  assert.equal(Buffer.from(keyIdentifier, "base64url").toString(), "Twenty octets of key");
  const { serialNumber } = new X509Certificate(certificatePem);
  assert.equal(Buffer.from(serial, "base64url").toString("hex").toUpperCase(), serialNumber);
  assert.equal(renewalIdentifier("no certificate"), undefined);
});

test("renewal: two thirds less a little by chance; a suggestion within its window, but never for a brand-new certificate", () => {
  const lifetime = { validFrom: 0, validTo: 90 * day };
  assert.equal(renewalTime(lifetime, 0), 60 * day);
  assert.ok(Math.abs(renewalTime(lifetime, 1) - 57.3 * day) < 1);
  const window = (from: number, to: number) => ({
    suggestedWindow: { start: new Date(from * day).toISOString(), end: new Date(to * day).toISOString() },
  });
  assert.equal(suggestedTime(window(50, 54), lifetime, 0.25), 51 * day);
  assert.equal(suggestedTime(window(54, 54), lifetime, 0.5), undefined);
  assert.equal(suggestedTime(window(-9, -8), lifetime, 0.5), day);
  assert.equal(suggestedTime(window(-9, -8), { validFrom: 0, validTo: 1.5 * day }, 0.5), day / 2);
});

test("answers: other shapes, other schemes and too much are nothing; a problem is told in short", () => {
  const read = (text: string) => readAnswer(shapes.order, Buffer.from(text));
  const order = { status: "pending", authorizations: ["https://ca.test/1"], finalize: "https://ca.test/f" };
  assert.deepEqual(read(JSON.stringify({ ...order, more: 1 })), order);
  assert.equal(read(JSON.stringify({ ...order, finalize: "http://ca.test/f" })), undefined);
  assert.equal(read(JSON.stringify({ ...order, status: "odd" })), undefined);
  assert.equal(read("[".repeat(1000)), undefined);
  assert.equal(read(JSON.stringify({ ...order, more: "x".repeat(answerBytesMax) })), undefined);
  assert.equal(
    problemWords({
      type: "urn:ietf:params:acme:error:malformed",
      detail: "Some names are wrong",
      subproblems: [{ type: "x", detail: "no such name", identifier: { type: "dns", value: "a.test" } }],
    }),
    "Some names are wrong (malformed); a.test: no such name",
  );
  assert.equal(problemWords({ type: "about:blank", detail: "y".repeat(5000) }).length, 1001);
});
