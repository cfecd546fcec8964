import { test } from "node:test";
import { ClockSteps } from "../lib/clock-steps.ts";
import assert from "node:assert/strict";
import type { HopCredentials, TlsDecision } from "../route/next-hop.ts";
import type { TlsLevel } from "../route/static-route.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { decided } from "../testing/hop-hosts.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemoryNetwork, type TlsOutcome } from "../testing/memory-network.ts";
import { close, type PeerCommand, ScriptedPeer, stall, type PeerScript } from "../testing/scripted-peer.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ConnectionReuse } from "./connection-reuse.ts";
import { setUpConnection, type SetupResult } from "./connection-setup.ts";

interface Case {
  readonly tls: TlsLevel | TlsDecision;
  readonly script?: PeerScript;
  readonly handshake?: TlsOutcome;
  readonly credentials?: HopCredentials;
  readonly certificateAuthorities?: readonly string[];
  readonly implicitTls?: boolean;
  readonly address?: string;
  readonly unix?: true;
  readonly firstAttempt?: true;
}

interface Seen {
  readonly result: SetupResult;
  readonly peer: ScriptedPeer;
  readonly log: CollectingLog;
  /** The extra authorities of each handshake. */
  readonly trusted: readonly (readonly string[] | undefined)[];
  /** "tls verified", "tls unverified", "clear", or the status of the setback. */
  readonly ending: string;
}

const login: HopCredentials = { username: "user", password: "secret" };
const unverified: TlsOutcome = { kind: "established", facts: { verified: false, verifyError: "self-signed" } };
const failed: TlsOutcome = { kind: "failed", reason: "handshake failure" };
const stalled: TlsOutcome = { kind: "stalled" };
const withTls: PeerScript = { keywords: ["PIPELINING", "STARTTLS"], tlsKeywords: ["PIPELINING", "AUTH PLAIN LOGIN"] };
const withoutTls: PeerScript = { keywords: ["PIPELINING", "AUTH PLAIN"] };

async function setUp(options: Case): Promise<Seen> {
  const network = new MemoryNetwork();
  const clock = new ManualClock();
  const log = new CollectingLog();
  const trusted: (readonly string[] | undefined)[] = [];
  if (options.handshake !== undefined) {
    const { handshake } = options;
    network.tlsOutcome = (_, { certificateAuthorities }) => {
      trusted.push(certificateAuthorities);
      return handshake;
    };
  }
  const endpoint =
    options.unix === true
      ? ({ kind: "unix", path: "/run/mta" } as const)
      : ({ kind: "ip", address: options.address ?? "192.0.2.1", port: 25 } as const);
  const script = { ...(options.script ?? withTls), ...(options.implicitTls && { implicitTls: true }) };
  const peer = await ScriptedPeer.listen(network, endpoint, script);
  const reuse = new ConnectionReuse(clock);
  let result: SetupResult | undefined;
  const setup = setUpConnection(
    {
      dialect: "smtp",
      site: "example.org",
      host: "mx.example.org",
      endpoint,
      tls: typeof options.tls === "string" ? decided("mx.example.org", options.tls) : options.tls,
      implicitTls: options.implicitTls ?? false,
      credentials: options.credentials,
      certificateAuthorities: options.certificateAuthorities,
    },
    {
      network,
      clock,
      random: new SeededRandom(1),
      clockSteps: new ClockSteps(clock),
      log,
      settings: {
        heloName: "our.test",
        bindAddresses: [],
        keepIdleMs: 0,
        messagesPerConnection: 1,
        addressesPerAttempt: 2,
        connectTimeoutMs: 30_000,
        tlsTimeoutMs: 30_000,
        timeouts: standardTimeouts,
        refusalPatienceMs: 4 * 3_600_000,
      },
      signal: new AbortController().signal,
      mayUseHelo: options.firstAttempt !== true,
      leave: (connection) => reuse.quit({ connection }),
      message: "4QJ7ZC2M9KXD",
    },
  ).then((given) => (result = given));
  await settle();
  for (let turns = 0; result === undefined && turns < 20; turns++) {
    await clock.advance(Math.max(0, (clock.nextTimerAt ?? clock.now()) - clock.now()));
  }
  result = await setup;
  let ending: string;
  if (result.kind === "failed") ending = `${result.setback.kind} ${result.setback.status}`;
  else if (result.connection.tls === undefined) ending = "clear";
  else ending = result.connection.tls.verified ? "tls verified" : "tls unverified";
  if (result.kind === "ready") result.connection.destroy();
  await settle();
  assert.equal(clock.pendingTimers, 0, "no timer is left behind");
  assert.equal(peer.openSessions, 0, "no connection is left behind");
  return { result, peer, log, trusted, ending };
}

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
      assert.deepEqual(seen.log.names, fellBack ? ["tls-fell-back"] : [], `${tls}, ${name}`);
      assert.equal(seen.peer.sessions, fellBack ? 2 : 1);
    }
  }
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

test("HELO follows where EHLO was hung up on, unless TLS or a login is needed, and only once", async () => {
  const onEhlo: PeerScript = { answer: ({ verb }) => (verb === "EHLO" ? close : undefined) };
  for (const [tls, ending, log] of [
    ["none", "clear", []],
    ["opportunistic", "clear", ["tls-fell-back"]],
    ["required", "deferred 4.4.2", []],
    ["verified", "deferred 4.4.2", []],
  ] as const) {
    const seen = await setUp({ tls, script: onEhlo });
    assert.equal(seen.ending, ending, tls);
    assert.deepEqual(seen.log.names, log, tls);
    assert.deepEqual(seen.peer.verbs, ending === "clear" ? ["EHLO", "HELO"] : ["EHLO"]);
  }
  assert.deepEqual((await setUp({ tls: "none", script: onEhlo, credentials: login })).peer.verbs, ["EHLO"]);
  // Any server hangs up once in a while, and HELO would take its TLS and its extensions away.
  const first = await setUp({ tls: "opportunistic", script: onEhlo, firstAttempt: true });
  assert.deepEqual([first.ending, first.peer.verbs], ["deferred 4.4.2", ["EHLO"]]);
  const onBoth: PeerScript = { answer: () => close };
  const seen = await setUp({ tls: "opportunistic", script: onBoth });
  assert.deepEqual([seen.ending, seen.peer.verbs], ["deferred 4.4.2", ["EHLO", "HELO"]]);
  const silent = await setUp({ tls: "opportunistic", script: { answer: () => stall } });
  assert.deepEqual([silent.ending, silent.peer.verbs], ["deferred 4.4.2", ["EHLO"]]);
});

test("whoever is left without mail is told QUIT where it can read it", async () => {
  const noTls = await setUp({ tls: "required", script: withoutTls });
  assert.deepEqual(noTls.peer.verbs, ["EHLO", "QUIT"]);
  const refuses = await setUp({ tls: "none", script: { answer: ({ verb }) => (verb === "QUIT" ? stall : "554 no") } });
  assert.deepEqual(refuses.peer.verbs, ["EHLO", "HELO", "QUIT"]);
  const busy = await setUp({ tls: "none", script: { greeting: { reply: "421 4.3.2 busy", close: true } } });
  assert.deepEqual(busy.peer.verbs, []);
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

test("credentials go only over verified TLS, loopback or a unix socket", async () => {
  const cases: readonly [Case, string, boolean][] = [
    [{ tls: "verified" }, "tls verified", true],
    [{ tls: "opportunistic" }, "tls verified", true],
    [{ tls: "opportunistic", handshake: unverified }, "deferred 4.7.0", false],
    [{ tls: "required", handshake: unverified }, "deferred 4.7.0", false],
    [{ tls: "opportunistic", script: withoutTls }, "deferred 4.7.0", false],
    [{ tls: "none", script: withoutTls }, "deferred 4.7.0", false],
    [{ tls: "none", script: withoutTls, address: "127.0.0.1" }, "clear", true],
    [{ tls: "opportunistic", script: withoutTls, address: "::1" }, "clear", true],
    [{ tls: "none", script: withoutTls, unix: true }, "clear", true],
    [{ tls: "verified", script: withoutTls, address: "127.0.0.1" }, "deferred 4.7.4", false],
    [{ tls: "verified", script: withoutTls, implicitTls: true }, "tls verified", true],
    [{ tls: "required", script: withoutTls, implicitTls: true, handshake: unverified }, "deferred 4.7.0", false],
    [{ tls: "verified", script: withoutTls, implicitTls: true, handshake: unverified }, "deferred 4.7.5", false],
  ];
  for (const [options, ending, sent] of cases) {
    const seen = await setUp({ ...options, credentials: login });
    assert.equal(seen.ending, ending, JSON.stringify(options));
    assert.equal(seen.peer.verbs.includes("AUTH"), sent, JSON.stringify(options));
    if (seen.result.kind === "failed" && ending.endsWith("4.7.0")) {
      assert.equal(seen.result.setback.owner, "our-authentication");
      assert.match(seen.result.setback.reason, /is not sent/);
      assert.equal(seen.log.of("relay-login-failed")[0]?.["reason"], seen.result.setback.reason);
    }
  }
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

test("a refused login defers, whatever its class, and the next address is not asked with it", async () => {
  for (const reply of ["535 5.7.8 wrong", "454 4.7.0 later"]) {
    const script: PeerScript = { ...withTls, answer: ({ verb }) => (verb === "AUTH" ? reply : undefined) };
    const seen = await setUp({ tls: "verified", script, credentials: login });
    assert.ok(seen.result.kind === "failed" && !seen.result.tryNext);
    assert.equal(seen.ending, "deferred 4.7.0");
    assert.equal(seen.result.setback.owner, "our-authentication");
    assert.equal(seen.result.setback.diagnostic?.text, reply);
    const [told] = seen.log.of("relay-login-failed");
    assert.deepEqual([told?.["host"], told?.["account"]], ["mx.example.org", "user"]);
    assert.match(String(told?.["reason"]), new RegExp(reply));
    assert.doesNotMatch(JSON.stringify(told), /secret/);
  }
  const noMechanism = await setUp({
    tls: "verified",
    script: { keywords: ["STARTTLS", "AUTH GSSAPI"] },
    credentials: login,
  });
  assert.equal(noMechanism.ending, "deferred 4.7.0");
  assert.equal(noMechanism.log.of("relay-login-failed").length, 1);
});

test("AUTH LOGIN serves where PLAIN is not offered", async () => {
  const script: PeerScript = { keywords: ["STARTTLS"], tlsKeywords: ["AUTH LOGIN"] };
  const seen = await setUp({ tls: "verified", script, credentials: login });
  assert.equal(seen.ending, "tls verified");
  assert.deepEqual(seen.peer.lines.slice(-2), [
    Buffer.from("user").toString("base64"),
    Buffer.from("secret").toString("base64"),
  ]);
});

test("a server that lists SCRAM without verifiers is asked again with PLAIN, and only then", async () => {
  const keywords = ["STARTTLS", "AUTH SCRAM-SHA-256 PLAIN"];
  const answer = (refusal: string) => ({
    keywords,
    answer: ({ verb, line }: PeerCommand) =>
      verb !== "AUTH" ? undefined : line.startsWith("AUTH SCRAM") ? refusal : "235 2.7.0 welcome",
  });
  const again = await setUp({ tls: "verified", script: answer("535 5.7.8 no such verifier"), credentials: login });
  assert.equal(again.result.kind, "ready");
  assert.deepEqual(
    again.peer.lines.filter((line) => line.startsWith("AUTH")).map((line) => line.split(" ")[1]),
    ["SCRAM-SHA-256", "PLAIN"],
  );
  const later = await setUp({ tls: "verified", script: answer("454 4.7.0 later"), credentials: login });
  assert.equal(later.result.kind, "failed");
  assert.equal(later.peer.lines.filter((line) => line.startsWith("AUTH")).length, 1);
});
