/** What each demand of TLS comes to, against every way that TLS can go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TlsDecision } from "../route/next-hop.ts";
import type { TlsLevel } from "../route/static-route.ts";
import type { TlsOutcome } from "../testing/memory-network.ts";
import { close, stall, type PeerScript } from "../testing/scripted-peer.ts";
import { failed, login, setUp, stalled, unverified, withoutTls, withTls } from "../testing/setup-fixture.ts";

test("TLS-008 TLS-010, trap 9: every level against every way that TLS can go", async () => {
  const refusing: PeerScript = {
    ...withTls,
    answer: ({ verb }) => (verb === "STARTTLS" ? "454 4.7.0 not now" : undefined),
  };
  const table: readonly [string, PeerScript, TlsOutcome | undefined, Record<TlsLevel, string>][] = [
    // prettier-ignore
    ["valid", withTls, undefined, { none: "clear", opportunistic: "tls verified", required: "tls verified", verified: "tls verified" }],
    // prettier-ignore
    ["not valid", withTls, unverified, { none: "clear", opportunistic: "tls unverified", required: "tls unverified", verified: "deferred 4.7.5" }],
    // prettier-ignore
    ["fails", withTls, failed, { none: "clear", opportunistic: "clear", required: "deferred 4.7.5", verified: "deferred 4.7.5" }],
    // prettier-ignore
    ["stalls", withTls, stalled, { none: "clear", opportunistic: "clear", required: "deferred 4.7.5", verified: "deferred 4.7.5" }],
    // prettier-ignore
    ["stripped", withoutTls, undefined, { none: "clear", opportunistic: "clear", required: "deferred 4.7.4", verified: "deferred 4.7.4" }],
    // prettier-ignore
    ["refused", refusing, undefined, { none: "clear", opportunistic: "clear", required: "deferred 4.7.4", verified: "deferred 4.7.4" }],
  ];
  for (const [name, script, handshake, expected] of table) {
    for (const [tls, ending] of Object.entries(expected) as [TlsLevel, string][]) {
      const seen = await setUp({ tls, script, ...(handshake && { handshake }) });
      assert.equal(seen.ending, ending, `${tls}, ${name}`);
      assert.ok(!seen.peer.verbs.includes("MAIL"));
      const fellBack = tls === "opportunistic" && (name === "fails" || name === "stalls");
      const told = seen.log.names.filter((event) => event !== "connection-phase");
      assert.deepEqual(told, fellBack ? ["tls-fell-back"] : [], `${tls}, ${name}`);
      assert.equal(seen.peer.sessions, fellBack ? 2 : 1);
    }
  }
});

test("TLS-010 SEC-009: TLSA records against every way that TLS can go; where none can be used, nobody is verified", async () => {
  const refusing: PeerScript = {
    ...withTls,
    answer: ({ verb }) => (verb === "STARTTLS" ? "454 4.7.0 not now" : undefined),
  };
  const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const byDane = (usage: number): TlsDecision => ({
    demand: { kind: "dane", records: [{ ...record, usage }], names: ["base.example.org", "example.org"] },
    reason: { rule: "dane" },
  });
  const table: readonly [string, PeerScript, TlsOutcome | undefined, string, string][] = [
    ["valid", withTls, undefined, "tls verified", "tls verified"],
    ["not valid", withTls, unverified, "deferred 4.7.5", "tls unverified"],
    ["fails", withTls, failed, "deferred 4.7.5", "deferred 4.7.5"],
    ["stalls", withTls, stalled, "deferred 4.7.5", "deferred 4.7.5"],
    ["stripped", withoutTls, undefined, "deferred 4.7.4", "deferred 4.7.4"],
    ["refused", refusing, undefined, "deferred 4.7.4", "deferred 4.7.4"],
  ];
  for (const [name, script, handshake, usable, unusable] of table) {
    for (const [usage, ending] of [
      [3, usable],
      [1, unusable],
    ] as const) {
      const seen = await setUp({ tls: byDane(usage), script, ...(handshake && { handshake }) });
      assert.equal(seen.ending, ending, `${name}, usage ${usage}`);
      assert.equal(seen.peer.sessions, 1, "never again in clear");
      if (seen.result.kind === "failed") assert.equal(seen.result.setback.diagnostic?.tlsDemand, "dane");
    }
  }
  const stripped = await setUp({ tls: byDane(3), script: withoutTls });
  assert.ok(stripped.result.kind === "failed");
  assert.match(stripped.result.setback.reason, /does not offer STARTTLS, but its policy \(dane\) asks for TLS$/);
  assert.deepEqual((await setUp({ tls: byDane(3), handshake: failed })).asked, ["base.example.org dane"]);
  const withLogin = await setUp({ tls: byDane(1), handshake: unverified, credentials: login });
  assert.equal(withLogin.ending, "deferred 4.7.0", "a password needs a verified server");
});

test("a server that stalls or dies between STARTTLS and the second EHLO is asked once more in clear", async () => {
  for (const [verb, answer] of [
    ["STARTTLS", close],
    ["STARTTLS", stall],
    ["EHLO", close],
    ["EHLO", stall],
  ] as const) {
    const script: PeerScript = {
      ...withTls,
      answer: (command) => (command.verb === verb && (verb === "STARTTLS" || command.tls) ? answer : undefined),
    };
    assert.equal((await setUp({ tls: "opportunistic", script })).ending, "clear");
    assert.equal((await setUp({ tls: "required", script })).ending, "deferred 4.7.5");
    const withLogin = await setUp({ tls: "opportunistic", script, credentials: login });
    assert.equal(withLogin.ending, "deferred 4.7.5");
    assert.equal(withLogin.peer.sessions, 1);
  }
});

test("the fall-back happens once: a second failure is the address's", async () => {
  const script: PeerScript = {
    ...withTls,
    answer: ({ verb, session }) => (session === 1 && verb === "EHLO" ? close : undefined),
  };
  const seen = await setUp({ tls: "opportunistic", script, handshake: failed });
  assert.equal(seen.ending, "deferred 4.4.2");
  assert.equal(seen.peer.sessions, 2);
});

test("TLS-009, trap 8: replies injected before the handshake end the attempt, without a second one in clear", async () => {
  const script: PeerScript = {
    ...withTls,
    answer: ({ verb }) => (verb === "STARTTLS" ? "220 go\r\n250-AUTH PLAIN\r\n250 X" : undefined),
  };
  for (const tls of ["opportunistic", "required", "verified"] as const) {
    const seen = await setUp({ tls, script });
    assert.equal(seen.ending, "deferred 4.5.0");
    assert.equal(seen.peer.sessions, 1);
    assert.deepEqual(seen.peer.verbs, ["EHLO", "STARTTLS"]);
  }
});

test("EHLO is said again after STARTTLS, and only the new answer counts", async () => {
  const seen = await setUp({ tls: "opportunistic" });
  assert.deepEqual(seen.peer.verbs.slice(0, 3), ["EHLO", "STARTTLS", "EHLO"]);
  assert.ok(seen.result.kind === "ready");
  assert.deepEqual(seen.result.connection.capabilities.auth, ["PLAIN", "LOGIN"]);
  assert.equal(seen.result.connection.capabilities.startTls, false);
});

test("the authorities of a route are trusted at its handshake, and a certificate of others is told in words", async () => {
  for (const implicitTls of [false, true]) {
    const script = implicitTls ? withoutTls : withTls;
    const handshake: TlsOutcome = { kind: "failed", reason: "SELF_SIGNED_CERT_IN_CHAIN" };
    const seen = await setUp({ tls: "verified", script, implicitTls, handshake, certificateAuthorities: ["PEM"] });
    assert.deepEqual(seen.trusted, [["PEM"]]);
    assert.ok(seen.result.kind === "failed");
    assert.match(seen.result.setback.reason, /not trusted here \(SELF_SIGNED_CERT_IN_CHAIN\)/);
  }
  assert.deepEqual((await setUp({ tls: "verified", handshake: unverified })).trusted, [undefined]);
});
