/** One connection set up over a simulated network to a scripted peer, and what was seen of it. */
import { ClockSteps } from "../lib/clock-steps.ts";
import assert from "node:assert/strict";
import type { TlsDecision } from "../route/next-hop.ts";
import type { PasswordCredentials } from "../smtp/client/authentication.ts";
import type { TlsLevel } from "../route/static-route.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import { CollectingLog } from "./collecting-log.ts";
import { decided } from "./hop-hosts.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryNetwork, type TlsOutcome } from "./memory-network.ts";
import { ScriptedPeer, type PeerScript } from "./scripted-peer.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ConnectionReuse } from "../outbound/connection-reuse.ts";
import { setUpConnection, type SetupResult } from "../outbound/connection-setup.ts";

/** One address and what happens there. */
export interface SetupCase {
  readonly tls: TlsLevel | TlsDecision;
  readonly script?: PeerScript;
  readonly handshake?: TlsOutcome;
  readonly credentials?: PasswordCredentials;
  readonly certificateAuthorities?: readonly string[];
  readonly implicitTls?: boolean;
  readonly address?: string;
  readonly unix?: true;
  readonly firstAttempt?: true;
}

export interface SetupSeen {
  readonly result: SetupResult;
  readonly peer: ScriptedPeer;
  readonly log: CollectingLog;
  /** The extra authorities of each handshake. */
  readonly trusted: readonly (readonly string[] | undefined)[];
  /** Server name and demand of each handshake. */
  readonly asked: readonly string[];
  /** "tls verified", "tls unverified", "clear", or the status of the setback. */
  readonly ending: string;
}

export const login: PasswordCredentials = { username: "user", password: "secret" };
export const unverified: TlsOutcome = { kind: "established", facts: { verified: false, verifyError: "self-signed" } };
export const failed: TlsOutcome = { kind: "failed", reason: "handshake failure" };
export const stalled: TlsOutcome = { kind: "stalled" };
export const withTls: PeerScript = {
  keywords: ["PIPELINING", "STARTTLS"],
  tlsKeywords: ["PIPELINING", "AUTH PLAIN LOGIN"],
};
export const withoutTls: PeerScript = { keywords: ["PIPELINING", "AUTH PLAIN"] };

/** Sets up one connection to mx.example.org; time goes on while something waits for it. */
export async function setUp(options: SetupCase): Promise<SetupSeen> {
  const network = new MemoryNetwork();
  const clock = new ManualClock();
  const log = new CollectingLog();
  const trusted: (readonly string[] | undefined)[] = [];
  const asked: string[] = [];
  if (options.handshake !== undefined) {
    const { handshake } = options;
    network.tlsOutcome = (_, { certificateAuthorities, serverName, demand }) => {
      trusted.push(certificateAuthorities);
      asked.push(`${serverName} ${demand.kind}`);
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
  return { result, peer, log, trusted, asked, ending };
}
