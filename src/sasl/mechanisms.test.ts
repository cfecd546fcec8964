import { test } from "node:test";
import assert from "node:assert/strict";
import { findMechanism, offeredMechanisms, serverMechanisms } from "./mechanisms.ts";
import { login } from "./login.ts";
import { parsePlain, plain } from "./plain.ts";
import type { ExchangeOptions, MechanismConditions } from "./server-mechanism.ts";
import { decodeBase64 } from "./strict-base64.ts";

const options: ExchangeOptions = {
  nonce: () => assert.fail("no nonce is needed"),
  channelBinding: () => undefined,
  bindingOffered: false,
};

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const encodeBase64 = (data: Uint8Array) => Buffer.from(data).toString("base64");
const octets = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

test("AUTH-005: foreign characters, missing or misplaced padding and stray bits are not base64", () => {
  for (const text of [
    "=AAA",
    "AAA=BBB",
    "!!!!",
    "YQ",
    "YQ=",
    "YQ===",
    "Y",
    "YR==",
    "YWJ=",
    "YQ==YQ==",
    "YQ ==",
    "-_-_",
  ]) {
    assert.equal(decodeBase64(text), undefined, text);
  }
  for (const text of ["", "YQ==", "YWI=", "YWJj", "AAEC/+8="]) {
    assert.equal(Buffer.from(decodeBase64(text) ?? []).toString("base64"), text);
  }
});

test("AUTH-003: an empty initial response is no PLAIN message", () => {
  assert.equal(plain.begin(options).respond(new Uint8Array(0)).kind, "malformed");
});

test("AUTH-002: PLAIN without an initial response gets an empty challenge", () => {
  const step = plain.begin(options).respond(undefined);
  assert.ok(step.kind === "challenge");
  assert.equal(step.data.length, 0);
});

test("AUTH-016: PLAIN is two NULs, a name and a password of at most 255 octets, in UTF-8", () => {
  const accepted: readonly (readonly [string, string, string, string])[] = [
    ["AHRpbQB0YW5zdGFhZnRhbnN0YWFm", "", "tim", "tanstaaftanstaaf"],
    ["VXJzZWwAS3VydAB4aXBqM3BsbXE=", "Ursel", "Kurt", "xipj3plmq"],
    ["AHVzZXJAZXhhbXBsZS5jb20AcGFzczp3b3JkAQ==", "", "user@example.com", "pass:word\u0001"],
    [encodeBase64(bytes(`\0${"u".repeat(255)}\0${"p".repeat(255)}`)), "", "u".repeat(255), "p".repeat(255)],
  ];
  for (const [message, authorizationId, username, password] of accepted) {
    assert.deepEqual(parsePlain(octets(message)), {
      kind: "claim",
      claim: { kind: "password", authorizationId, username, password },
    });
  }
  const refused = [
    "",
    "tim\0pw", // one NUL
    "\0tim\0", // empty password
    "\0\0pw", // empty name
    "\0tim\0pw\0extra",
    "\0tim\0pw\0",
    `\0${"u".repeat(256)}\0pw`,
    `\0tim\0${"p".repeat(256)}`,
    `${"a".repeat(256)}\0tim\0pw`,
  ];
  for (const message of refused) assert.equal(parsePlain(bytes(message)).kind, "malformed", JSON.stringify(message));
});

test("AUTH-018: octets that are not UTF-8 are refused, overlong forms and surrogates too", () => {
  for (const password of ["\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82"]) {
    assert.equal(parsePlain(bytes(`\0tim\0${password}`)).kind, "malformed");
    const exchange = login.begin(options);
    exchange.respond(bytes("tim"));
    assert.equal(exchange.respond(bytes(password)).kind, "malformed");
  }
});

test("AUTH-019: LOGIN prompts for name and password, and takes the name as an initial response", () => {
  const prompted = login.begin(options);
  const first = prompted.respond(undefined);
  assert.ok(first.kind === "challenge");
  assert.equal(encodeBase64(first.data), "VXNlcm5hbWU6");
  const second = prompted.respond(bytes("tim"));
  assert.ok(second.kind === "challenge");
  assert.equal(encodeBase64(second.data), "UGFzc3dvcmQ6");
  const claim = {
    kind: "claim",
    claim: { kind: "password", authorizationId: "", username: "tim", password: "secret" },
  } as const;
  assert.deepEqual(prompted.respond(bytes("secret")), claim);

  const impatient = login.begin(options);
  assert.equal(impatient.respond(bytes("tim")).kind, "challenge");
  assert.deepEqual(impatient.respond(bytes("secret")), claim);

  assert.equal(login.begin(options).respond(new Uint8Array(0)).kind, "malformed");
  assert.equal(login.begin(options).respond(bytes("x".repeat(256))).kind, "malformed");
});

const everything: MechanismConditions = {
  privateChannel: true,
  channelBinding: true,
  verifiers: new Set(["sha1", "sha256"]),
  certificate: true,
  tokens: true,
};
const all = new Set(serverMechanisms.map(({ name }) => name));
const offered = (conditions: Partial<MechanismConditions>, allowed: ReadonlySet<string> = all) =>
  offeredMechanisms(allowed, { ...everything, ...conditions }).map(({ name }) => name);

test("AUTH-009: nothing is offered where others can read along", () => {
  assert.deepEqual(offered({ privateChannel: false }), []);
});

test("what is offered can succeed: each condition takes away what needs it, and nothing else", () => {
  assert.deepEqual(offered({}), [
    "EXTERNAL",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "OAUTHBEARER",
    "XOAUTH2",
    "PLAIN",
    "LOGIN",
  ]);
  const without = (conditions: Partial<MechanismConditions>) => {
    const left = offered(conditions);
    return offered({}).filter((name) => !left.includes(name));
  };
  assert.deepEqual(without({ certificate: false }), ["EXTERNAL"]);
  assert.deepEqual(without({ channelBinding: false }), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]);
  assert.deepEqual(without({ verifiers: new Set(["sha256"]) }), ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]);
  assert.deepEqual(without({ tokens: false }), ["OAUTHBEARER", "XOAUTH2"]);
  assert.deepEqual(offered({}, new Set(["PLAIN"])), ["PLAIN"]);
});

test("AUTH-008: unknown mechanisms are not found; names are compared without case", () => {
  assert.equal(findMechanism("FOO"), undefined);
  assert.equal(findMechanism("plain")?.name, "PLAIN");
});
