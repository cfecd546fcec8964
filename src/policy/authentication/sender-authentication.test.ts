import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyHashes } from "../../dkim/body-hashes.ts";
import { HeaderCollector, parseHeaderFields } from "../../message/header-section.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { honestClient, senderSettings, senderZone, strangeClient } from "../../testing/sender-zone.ts";
import { edited, signMessage } from "../../testing/signed-message.ts";
import { LimitedResolver } from "./limited-resolver.ts";
import { patienceMs, SenderAuthentication, type SenderEnvelope } from "./sender-authentication.ts";

const clock = new ManualClock();

function envelope(address: string, domain: string | null): SenderEnvelope {
  return {
    client: { address, hello: "client.test" },
    reversePath: domain === null ? null : { localPart: "ann", domain },
  };
}

async function check(message: Buffer, from: SenderEnvelope, resolver: Resolver = senderZone()) {
  const authentication = new SenderAuthentication({ resolver, clock }, senderSettings());
  const result = new HeaderCollector().push(message);
  assert.equal(result.kind, "complete");
  if (result.kind !== "complete") throw new Error("unreachable");
  const bodies = new BodyHashes();
  const pending = authentication.begin({ ...from, header: parseHeaderFields(result.header), bodies });
  bodies.push(result.rest);
  bodies.end();
  return await pending.finish();
}

test("DMARC-012: one aligned pass is enough, of SPF or of DKIM", async () => {
  const message = signMessage();
  const broken = edited(message, "hungry", "thirsty");
  const verdict = async (content: Buffer, address: string, domain: string) => {
    const { dmarc, disposition } = await check(content, envelope(address, domain));
    return `${dmarc.result} ${disposition}`;
  };
  assert.equal(await verdict(message, honestClient, "example.org"), "pass deliver");
  assert.equal(await verdict(broken, honestClient, "example.org"), "pass deliver");
  assert.equal(await verdict(message, strangeClient, "other.example"), "pass deliver");
  assert.equal(await verdict(broken, strangeClient, "other.example"), "fail junk");
  assert.equal(await verdict(broken, strangeClient, "example.org"), "fail junk");
});

test("everything that can be asked is asked before the body ends, and at once", async () => {
  const asked: string[] = [];
  const resolver: Resolver = {
    query: (name, type) => {
      asked.push(`${type} ${name}`);
      return new Promise(() => undefined);
    },
  };
  const authentication = new SenderAuthentication({ resolver, clock }, senderSettings());
  const envelopeChecks = authentication.beginEnvelope(envelope(strangeClient, "other.example"));
  await settle();
  assert.deepEqual(asked.toSorted(), ["PTR 66.100.51.198.in-addr.arpa", "TXT client.test", "TXT other.example"]);
  const message = signMessage();
  const result = new HeaderCollector().push(message);
  assert.equal(result.kind, "complete");
  if (result.kind !== "complete") return;
  envelopeChecks.begin(parseHeaderFields(result.header), new BodyHashes());
  await settle();
  assert.ok(asked.includes("TXT _dmarc.example.org"));
  assert.ok(asked.includes("TXT ed._domainkey.example.org"));
});

test("when patience ends everything unanswered is temperror, and what was answered stays", async () => {
  const zone = senderZone();
  const resolver: Resolver = {
    query: (name, type, options) =>
      type === "TXT" && name.startsWith("_dmarc") ? zone.query(name, type, options) : new Promise(() => undefined),
  };
  const pending = check(signMessage(), envelope(strangeClient, "example.org"), resolver);
  await settle();
  await clock.advance(patienceMs);
  const { spf, dkim, iprev, dmarc, decision } = await pending;
  assert.deepEqual(
    [spf.result, dkim[0]?.result, iprev.result, dmarc.result],
    ["temperror", "temperror", "temperror", "temperror"],
  );
  assert.equal(dmarc.policy, "reject");
  assert.equal(decision?.reply.code, 451);
  assert.equal(clock.pendingTimers, 0);
});

test("a question that is asked after the end is answered at once, and late answers change nothing", async () => {
  const late = Promise.withResolvers<never>();
  const resolver = new LimitedResolver({ query: () => late.promise });
  const early = resolver.query("a.example", "TXT");
  assert.equal(resolver.query("a.example", "TXT"), early, "each question is asked once");
  resolver.giveUp();
  assert.equal((await early).kind, "failure");
  assert.equal((await resolver.query("b.example", "TXT")).kind, "failure");
  late.reject(new Error("too late"));
  await settle();
});

test("settings in force when a message begins stay its own", async () => {
  const authentication = new SenderAuthentication({ resolver: senderZone(), clock }, senderSettings());
  const begun = authentication.beginEnvelope(envelope(strangeClient, "example.org"));
  authentication.reconfigure(
    senderSettings({ dmarc: { reject: "always" }, authentication: { authserv_id: "example.net" } }),
  );
  assert.deepEqual(authentication.ownNames, ["example.net", "mail.example.net"]);
  const header = parseHeaderFields(Buffer.from("From: a@example.org\r\n"));
  const finish = async (checks: typeof begun) => {
    const bodies = new BodyHashes();
    const pending = checks.begin(header, bodies);
    bodies.end();
    return await pending.finish();
  };
  assert.equal((await finish(begun)).decision, undefined);
  const next = await finish(authentication.beginEnvelope(envelope(strangeClient, "example.org")));
  assert.equal(next.decision?.verdict, "reject");
  assert.match(next.field, /^Authentication-Results: example\.net;/);
});

test("DKIM-016: what follows the header section without an empty line lets nothing pass", async () => {
  const message = edited(signMessage(), "\r\n\r\n", "\r\nno field\r\n\r\n");
  const { dkim, disposition } = await check(message, envelope(strangeClient, "other.example"));
  assert.notEqual(dkim[0]?.result, "pass");
  assert.equal(disposition, "junk");
});

test("a fault in one check leaves the others' answers, and is logged", async () => {
  const zone = senderZone();
  const log = new CollectingLog();
  const resolver: Resolver = {
    query: (name, type, options) => {
      if (type === "PTR") throw new Error("broken");
      return zone.query(name, type, options);
    },
  };
  const authentication = new SenderAuthentication({ resolver, clock, log }, senderSettings());
  const bodies = new BodyHashes();
  const header = parseHeaderFields(Buffer.from("From: ann@example.org\r\n"));
  const pending = authentication.begin({ ...envelope(honestClient, "example.org"), header, bodies });
  bodies.end();
  const verdict = await pending.finish();
  assert.deepEqual([verdict.iprev.result, verdict.spf.result, verdict.dmarc.result], ["temperror", "pass", "pass"]);
  assert.deepEqual(
    log.of("sender-check-failed").map(({ check: name }) => name),
    ["iprev"],
  );
});
