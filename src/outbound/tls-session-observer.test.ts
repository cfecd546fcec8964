/** What the daily TLS reports are told of deliveries: each way that TLS can go, and what is nobody else's business. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OutboundWorld, siteOf } from "../testing/outbound-world.ts";
import { failed, unverified, withoutTls, withTls } from "../testing/setup-fixture.ts";
import type { TlsDecision } from "../route/next-hop.ts";
import type { TlsOutcome } from "../testing/memory-network.ts";
import type { PeerScript } from "../testing/scripted-peer.ts";
import type { TlsSessionRecorder } from "../tls-rpt/session-note.ts";

const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
const byDefault: TlsDecision = { demand: { kind: "opportunistic" }, reason: { rule: "default" } };
const bySts: TlsDecision = { demand: { kind: "pki", names: ["mx1.example.org"] }, reason: { rule: "mta-sts" } };
const byDane: TlsDecision = {
  demand: { kind: "dane", records: [record], names: ["mx1.example.org"] },
  reason: { rule: "dane" },
};

/** One delivery to two recipients of example.org; what was told, in short. */
async function told(
  tls: TlsDecision,
  script: PeerScript,
  { handshake, isRelay }: { readonly handshake?: TlsOutcome; readonly isRelay?: true } = {},
): Promise<readonly string[]> {
  const seen: string[] = [];
  const recorder: TlsSessionRecorder = {
    stsPolicy: () => undefined,
    policyFailure: () => undefined,
    session: (domain, policy, { host, failure, failureIfTested }) => {
      const type = typeof policy === "string" ? policy : `${policy.type} ${policy.domain ?? ""}`.trim();
      const tested = failureIfTested === undefined ? "" : ` (${failureIfTested.type})`;
      seen.push(`${domain} ${host} ${type}: ${failure?.type ?? "success"}${tested}`);
    },
  };
  await using world = new OutboundWorld({}, { tlsSessions: recorder });
  if (handshake !== undefined) world.network.tlsOutcome = () => handshake;
  await world.peer("192.0.2.1", script);
  const site = siteOf(1);
  const hosts = site.hosts.map((host) => ({ ...host, tls }));
  const job = world.job({
    to: ["ann@example.org", "bob@example.org"],
    hop: { ...site, hosts, ...(isRelay && { isRelay }) },
  });
  await world.deliverWithTime(job);
  return seen;
}

const at = "example.org mx1.example.org";

test("SEC-023: one session for each connection and domain, with what TLS came to", async () => {
  assert.deepEqual(await told(byDefault, withTls), [`${at} sts-or-none: success`]);
  assert.deepEqual(await told(byDefault, withTls, { handshake: unverified }), [
    `${at} sts-or-none: success (certificate-not-trusted)`,
  ]);
  assert.deepEqual(await told(byDefault, withoutTls), [`${at} sts-or-none: starttls-not-supported`]);
  assert.deepEqual(await told(byDefault, withTls, { handshake: failed }), [`${at} sts-or-none: validation-failure`]);
  assert.deepEqual(await told(bySts, withTls, { handshake: unverified }), [
    `${at} sts-or-none: certificate-not-trusted`,
  ]);
  assert.deepEqual(await told(bySts, withoutTls), [`${at} sts-or-none: starttls-not-supported`]);
  assert.deepEqual(await told(byDane, withTls), [`${at} tlsa mx1.example.org: success`]);
  assert.deepEqual(await told(byDane, withoutTls), [`${at} tlsa mx1.example.org: starttls-not-supported`]);
});

test("what our settings demand, relay hosts, and mail that may go in clear are not told of", async () => {
  for (const rule of ["route-setting", "tls-required-no"]) {
    assert.deepEqual(await told({ ...byDefault, reason: { rule } }, withTls), [], rule);
  }
  assert.deepEqual(await told(byDefault, withTls, { isRelay: true }), []);
});
