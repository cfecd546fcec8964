/** The delivery agent of SMTP and LMTP over a simulated network, with scripted peers, and jobs made of plain values. */
import assert from "node:assert/strict";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { SmtpDeliverySettings } from "../outbound/settings.ts";
import { SmtpDelivery, type SmtpDeliveryOptions } from "../outbound/smtp-delivery.ts";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import type { HopHost, NextHop } from "../route/next-hop.ts";
import type { TlsLevel } from "../route/static-route.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import type { Content, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { CollectingLog } from "./collecting-log.ts";
import { hopHost } from "./hop-hosts.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ScriptedPeer, type PeerScript } from "./scripted-peer.ts";

export type SmtpHop = Extract<NextHop, { kind: "smtp" }>;
export type LmtpHop = Extract<NextHop, { kind: "lmtp" }>;

export const header = "Received: from x by our.test\r\n";
export const body = "Subject: hello\r\n\r\n.dot\r\nend\r\n";
export const modernExtensions = [
  "PIPELINING",
  "SIZE 10000000",
  "8BITMIME",
  "SMTPUTF8",
  "DSN",
  "CHUNKING",
  "ENHANCEDSTATUSCODES",
];
export const classicExtensions = ["PIPELINING", "SIZE 10000000", "8BITMIME", "DSN"];

/** Hosts 192.0.2.1, 192.0.2.2, … on port 25, named mx1, mx2, …; and the agent under test. */
export class OutboundWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  readonly log = new CollectingLog();
  readonly agent: SmtpDelivery;
  readonly stop = new AbortController();
  readonly peers: ScriptedPeer[] = [];
  opened = 0;
  disposed = 0;

  constructor(
    settings: Partial<SmtpDeliverySettings> = {},
    { tlsSessions, accessTokens }: Pick<SmtpDeliveryOptions, "tlsSessions" | "accessTokens"> = {},
  ) {
    this.agent = new SmtpDelivery({
      tlsSessions,
      accessTokens,
      network: this.network,
      clock: this.clock,
      random: new SeededRandom(1),
      log: this.log,
      settings: {
        heloName: "our.test",
        bindAddresses: [],
        keepIdleMs: 3_000,
        messagesPerConnection: 100,
        addressesPerAttempt: 10,
        connectTimeoutMs: 30_000,
        tlsTimeoutMs: 30_000,
        timeouts: standardTimeouts,
        refusalPatienceMs: 4 * 3_600_000,
        ...settings,
      },
    });
  }

  async peer(address: string, script: PeerScript = {}): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.listen(this.network, { kind: "ip", address, port: 25 }, script);
    this.peers.push(peer);
    return peer;
  }

  job(parts: {
    to?: readonly (string | Partial<StoredRecipient>)[];
    hop?: Partial<SmtpHop> | LmtpHop;
    message?: Partial<StoredMessage>;
    content?: string | Buffer;
    /** Streamed in pieces of so many octets instead of being whole. */
    pieces?: number;
  }): DeliveryJob {
    const content = Buffer.from(parts.content ?? body);
    const recipients = (parts.to ?? ["ann@example.org"]).map((to, index): StoredRecipient => {
      const given = typeof to === "string" ? { address: to } : to;
      const address = given.address ?? "ann@example.org";
      const domain = address.slice(address.lastIndexOf("@") + 1);
      return {
        message: "4QJ7ZC2M9KXD",
        index,
        state: "claimed",
        due: 0,
        attempts: 1,
        warned: false,
        domain,
        ...given,
        address,
      };
    });
    const { clock } = this;
    const open = async (): Promise<Content> => {
      this.opened++;
      return {
        size: content.length,
        ...(parts.pieces === undefined && { whole: content }),
        async *chunks() {
          const step = parts.pieces ?? content.length;
          for (let at = 0; at < content.length; at += step) yield content.subarray(at, at + step);
        },
        [Symbol.asyncDispose]: async () => {
          this.disposed++;
        },
      };
    };
    return {
      message: {
        id: "4QJ7ZC2M9KXD",
        receivedAt: clock.now(),
        reversePath: "bob@our.test",
        origin: { listener: "local", protocol: "LOCAL" },
        body: "7BIT",
        smtpUtf8: false,
        size: content.length,
        headerBlock: header,
        facts: {
          receivedCount: 0,
          ownReceived: false,
          autoSubmitted: false,
          deliveredTo: [],
          utf8Header: false,
          eightBit: false,
          binary: false,
        },
        ...parts.message,
      },
      recipients,
      hop: parts.hop?.kind === "lmtp" ? parts.hop : { ...siteOf(1), ...parts.hop },
      openContent: open,
    };
  }

  /** Outcomes in the order of the recipients. */
  async deliver(job: DeliveryJob): Promise<DeliveryOutcome[]> {
    const { outcomes } = await this.agent.deliver(job, { signal: this.stop.signal });
    assert.equal(outcomes.length, job.recipients.length);
    assert.deepEqual(
      outcomes.map(({ index }) => index).toSorted((a, b) => a - b),
      job.recipients.map(({ index }) => index),
    );
    assert.equal(this.opened, this.disposed, "every content is disposed of");
    return outcomes.toSorted((a, b) => a.index - b.index).map(({ outcome }) => outcome);
  }

  /** Delivers while time goes on, as long as something waits for a timer. */
  async deliverWithTime(job: DeliveryJob): Promise<DeliveryOutcome[]> {
    let done = false;
    const delivery = this.deliver(job).finally(() => {
      done = true;
    });
    await settle();
    for (let turns = 0; !done && turns < 100; turns++) {
      await this.clock.advance(Math.max(0, (this.clock.nextTimerAt ?? this.clock.now()) - this.clock.now()));
    }
    return await delivery;
  }

  eventsNamed(name: string): readonly unknown[] {
    return this.log.events.filter((event) => event.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.agent.close();
    await settle();
    await this.clock.advance(10_000);
    await closing;
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
    await settle();
    assert.equal(this.clock.pendingTimers, 0, "no timer is left behind");
  }
}

/** mx1, mx2, … of example.org. */
export function hosts(count: number, level?: TlsLevel): HopHost[] {
  return Array.from({ length: count }, (_, index) =>
    hopHost(`mx${index + 1}.example.org`, [`192.0.2.${index + 1}`], level),
  );
}

export function siteOf(count: number): SmtpHop {
  return {
    kind: "smtp",
    site: "example.org",
    hosts: hosts(count),
    port: 25,
    implicitTls: false,
    description: "mx example.org",
  };
}

export function brief(outcome: DeliveryOutcome): string {
  return `${outcome.kind} ${outcome.status}`;
}
