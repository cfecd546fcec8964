/** What an ACME server answers: an authority that went mad, or somebody in its place. */
import assert from "node:assert/strict";
import { answerBytesMax, problemWords, readAnswer, shapes } from "../../../src/acme/messages.ts";
import { stepOfAuthorization, stepOfOrder } from "../../../src/acme/order-steps.ts";
import { isFor, lifetimeOf, renewalIdentifier, renewalTime, suggestedTime } from "../../../src/acme/renewal.ts";
import { CertificateAuthority } from "../../../src/testing/certificate-authority.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const lifetime = { validFrom: 0, validTo: 90 * 86_400_000 };

const answer: FuzzTarget = {
  name: "acme-answer",
  family: "ACME",
  seeds: () =>
    texts(
      '{"newNonce":"https://a.test/n","newAccount":"https://a.test/a","newOrder":"https://a.test/o","meta":{"externalAccountRequired":true}}',
      '{"status":"pending","authorizations":["https://a.test/1"],"finalize":"https://a.test/f","error":{"type":"x","detail":"y"}}',
      '{"status":"pending","identifier":{"type":"dns","value":"a.test"},"challenges":[{"type":"http-01","url":"https://a.test/c","status":"pending","token":"abc"}]}',
      '{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many","subproblems":[{"detail":"no","identifier":{"type":"dns","value":"a"}}]}',
      '{"suggestedWindow":{"start":"2026-01-02T00:00:00Z","end":"2026-01-03T00:00:00+01:00"},"explanationURL":"https://a.test/"}',
    ),
  words: [
    '"status":',
    '"valid"',
    '"invalid"',
    "https://",
    "http://",
    "null",
    "[]",
    "{}",
    '"\\ud800"',
    "1e999",
    "\u0000",
    "Z",
    "-9999",
  ],
  bytesMax: 2048,
  stretchMax: 2 * answerBytesMax,
  run(input) {
    const order = readAnswer(shapes.order, input);
    if (order) assert.ok(stepOfOrder(order, { finalized: true }) !== "finalize");
    const authorization = readAnswer(shapes.authorization, input);
    if (authorization) stepOfAuthorization(authorization);
    for (const { token } of authorization?.challenges ?? []) assert.ok(token === undefined || !/[^\w-]/.test(token));
    const directory = readAnswer(shapes.directory, input);
    if (directory) assert.equal(new URL(directory.newOrder).protocol, "https:");
    const problem = readAnswer(shapes.problem, input);
    if (problem) assert.ok(problemWords(problem).length <= 1001);
    const info = readAnswer(shapes.renewalInfo, input);
    const at = info && suggestedTime(info, lifetime, 0.5);
    assert.ok(at === undefined || at >= 86_400_000);
  },
};

const authority = new CertificateAuthority(0);
const issued = authority.pair({ names: ["a.test"], ...lifetime }).certificatePem;

const certificate: FuzzTarget = {
  name: "acme-certificate",
  family: "ACME",
  seeds: () => texts(issued, authority.intermediatePem),
  words: ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "\n", "=", "MII", "\0"],
  bytesMax: 4096,
  stretchMax: 128 * 1024,
  run(input) {
    const pem = input.toString("latin1");
    isFor(pem, ["a.test"]);
    assert.match(renewalIdentifier(pem) ?? "a.b", /^[\w-]*\.[\w-]*$/);
    const read = lifetimeOf(pem);
    if (read) assert.ok(!(renewalTime(read, 0.5) > Math.max(read.validFrom, read.validTo)));
  },
};

export const acmeTargets: readonly FuzzTarget[] = [answer, certificate];
