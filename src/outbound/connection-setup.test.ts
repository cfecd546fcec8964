/** From connecting to a session in which a transaction can begin: EHLO and HELO, logins, and leaving politely. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { close, stall, type PeerCommand, type PeerScript } from "../testing/scripted-peer.ts";
import { login, setUp, unverified, withoutTls, withTls, type SetupCase } from "../testing/setup-fixture.ts";

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
    const names = seen.log.names.filter((name) => name !== "connection-phase");
    assert.deepEqual(names, log, tls);
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

test("credentials go only over verified TLS, loopback or a unix socket", async () => {
  const cases: readonly [SetupCase, string, boolean][] = [
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

test("a server whose SCRAM is not acceptable does not get the password by refusing", async () => {
  const script: PeerScript = {
    keywords: ["STARTTLS", "AUTH SCRAM-SHA-256 PLAIN"],
    answer: ({ verb, line }) => {
      if (line === "*") return "535 5.7.8 no such verifier";
      if (verb !== "AUTH") return undefined;
      if (!line.startsWith("AUTH SCRAM")) return "235 2.7.0 welcome";
      const nonce = /r=.*$/.exec(Buffer.from(line.split(" ")[2] ?? "", "base64").toString())?.[0] ?? "";
      return `334 ${Buffer.from(`${nonce}x,s=AAAA,i=1`).toString("base64")}`;
    },
  };
  const seen = await setUp({ tls: "verified", script, credentials: login });
  assert.equal(seen.ending, "deferred 4.7.0");
  assert.deepEqual(
    seen.peer.lines.slice(3).map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["AUTH SCRAM-SHA-256", "*", "QUIT"],
  );
});
