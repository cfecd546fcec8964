import assert from "node:assert/strict";
import { test } from "node:test";
import type { TlsClientOptions } from "../ports/network.ts";
import type { HandshakeDemand } from "../ports/tls-demand.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { probeHandshake } from "./handshake-probe.ts";

const dane: HandshakeDemand = {
  kind: "dane",
  records: [{ usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) }],
  names: ["mx.example.org"],
};

async function probe(
  server: ReceivingServer,
  options: { readonly address?: string; readonly signal?: AbortSignal } = {},
) {
  const { network, clock } = server;
  const { address = "192.0.2.25", signal = new AbortController().signal } = options;
  const parts = { network, clock, random: new SeededRandom(1), heloName: "probe.example.net", signal };
  return await probeHandshake("mx.example.org", address, dane, parts);
}

test("a probe greets, begins TLS with the demand and the name, and sends no mail", async () => {
  await using server = await ReceivingServer.open();
  const asked: TlsClientOptions[] = [];
  server.network.tlsOutcome = (_server, client) => {
    asked.push(client);
    return { kind: "established", facts: { verified: true, verifiedBy: "dane-ee" } };
  };
  const result = await probe(server);
  assert.equal(result.kind, "established");
  assert.ok(result.kind === "established" && result.facts.verifiedBy === "dane-ee");
  assert.deepEqual(
    asked.map(({ serverName, demand }) => [serverName, demand]),
    [["mx.example.org", dane]],
  );
  assert.deepEqual(server.accepted, []);
});

test("a handshake that does not give what is demanded says why", async () => {
  await using server = await ReceivingServer.open();
  server.network.tlsOutcome = () => ({ kind: "failed", reason: "DANE: its key is not the one in its TLSA records" });
  const result = await probe(server);
  assert.equal(result.kind, "unmet");
  assert.match(result.kind === "unmet" ? result.reason : "", /its key is not the one in its TLSA records/);
});

test("no listener and no STARTTLS are told apart from a certificate that does not fit", async () => {
  await using server = await ReceivingServer.open({ startTls: false });
  assert.deepEqual(await probe(server), { kind: "no-handshake", reason: "it does not offer STARTTLS" });
  const away = await probe(server, { address: "192.0.2.99" });
  assert.equal(away.kind, "no-handshake");
});

test("an interruption ends a probe that waits", async () => {
  await using server = await ReceivingServer.open();
  const silent = { kind: "ip", address: "192.0.2.88", port: 25 } as const;
  const nothing = { data: () => undefined, end: () => undefined, drained: () => undefined, closed: () => undefined };
  await using _listener = await server.network.listen(silent, { accept: (connection) => connection.start(nothing) });
  const interrupted = new AbortController();
  const waiting = probe(server, { address: "192.0.2.88", signal: interrupted.signal });
  await new Promise(setImmediate);
  interrupted.abort();
  assert.equal((await waiting).kind, "no-handshake");
});
