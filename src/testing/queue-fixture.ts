/**
 * A queue with everything around it simulated: a spool in memory, a clock that stands still, a router that answers from
 * a table, agents that answer from a function, and reports reduced to their envelope.
 */
import { crc32 } from "node:zlib";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import type { DeliveryAgents } from "../queue/deliveries.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import { Queue, type QueueOptions } from "../queue/queue.ts";
import type { ReportMaker } from "../queue/concluder.ts";
import type { ReportableAttempt } from "../reporting/owed-reports.ts";
import { queueSettings } from "../queue/settings.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { Router, RouteResult } from "../route/router.ts";
import { MemorySpool, MemoryStore } from "./spool/memory-spool.ts";
import { QueueIds } from "../spool/queue-id.ts";
import type { ForwardedForm, NewMessage, NewRecipient, Spool, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { CollectingLog } from "./collecting-log.ts";
import { hopHost } from "./hop-hosts.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { SeededRandom } from "./seeded-random.ts";

/** The same agent for next hops of every kind. */
export function agentForAll(agent: DeliveryAgent): DeliveryAgents {
  return {
    smtp: agent,
    lmtp: agent,
    maildir: agent,
    program: agent,
    capture: agent,
    reports: agent,
    discard: agent,
  };
}

export const plainFacts: MessageFacts = {
  receivedCount: 1,
  ownReceived: false,
  autoSubmitted: false,
  deliveredTo: [],
  utf8Header: false,
  eightBit: false,
  binary: false,
};

export const relayed: DeliveryOutcome = {
  kind: "relayed",
  status: "2.0.0",
  dsnPassedOn: false,
  diagnostic: { type: "smtp", code: 250, text: "250 2.0.0 Ok", command: "end of data" },
};

export function deferredReply(text = "451 4.3.0 try again later", command = "RCPT"): DeliveryOutcome {
  const code = Number(text.slice(0, 3));
  return {
    kind: "deferred",
    status: "4.3.0",
    owner: "remote-trouble",
    reason: "The server refused for now",
    diagnostic: { type: "smtp", code, text, command },
  };
}

export function bouncedReply(text = "550 5.1.1 no such user", command = "RCPT"): DeliveryOutcome {
  return {
    kind: "bounced",
    status: "5.1.1",
    owner: "recipient",
    reason: "The server refused for good",
    diagnostic: { type: "smtp", code: Number(text.slice(0, 3)), text, command },
  };
}

export const unreachable: DeliveryOutcome = {
  kind: "deferred",
  status: "4.4.1",
  owner: "remote-trouble",
  reason: "No host answered",
  diagnostic: { type: "x-posthaste", text: "connect to 192.0.2.1 port 25: connection refused" },
};

export function smtpHop(site: string): NextHop {
  const hosts = [hopHost(`mx.${site}`, [addressOf(site)])];
  return { kind: "smtp", site, hosts, port: 25, implicitTls: false, description: `mx ${site}` };
}

/** One for each site. */
function addressOf(site: string): string {
  const sum = crc32(site);
  return `10.${(sum >>> 16) & 255}.${(sum >>> 8) & 255}.${sum & 255}`;
}

/** Each domain is its own site, unless told otherwise. */
export class TableRouter implements Router {
  readonly table = new Map<string, RouteResult | Promise<RouteResult>>();
  asked = 0;

  route({ domain }: { readonly address: string; readonly domain: string }): Promise<RouteResult> {
    this.asked++;
    return Promise.resolve(this.table.get(domain) ?? { kind: "hop", hop: smtpHop(domain) });
  }
}

export type Answer = (job: DeliveryJob, recipient: StoredRecipient) => DeliveryOutcome;

/** Answers each recipient from `answer`; jobs that are `blocked` wait until {@link ScriptedAgent.unblock} or the abort. */
export class ScriptedAgent implements DeliveryAgent {
  readonly jobs: DeliveryJob[] = [];
  answer: Answer = () => relayed;
  blocked: boolean | ((job: DeliveryJob) => boolean) = false;
  obeysAbort = true;
  running = 0;
  mostRunning = 0;
  #release: (() => void)[] = [];

  async deliver(job: DeliveryJob, { signal }: { readonly signal: AbortSignal }): Promise<DeliveryResult> {
    this.jobs.push(job);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    if (typeof this.blocked === "function" ? this.blocked(job) : this.blocked) {
      await new Promise<void>((resolve) => {
        this.#release.push(resolve);
        if (this.obeysAbort) signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } else {
      await Promise.resolve();
    }
    this.running--;
    const stopped: DeliveryOutcome = {
      kind: "deferred",
      status: "4.3.2",
      owner: "local-trouble",
      reason: "This server is stopping",
    };
    const outcomes = job.recipients.map((recipient) => ({
      index: recipient.index,
      outcome: signal.aborted ? stopped : this.answer(job, recipient),
    }));
    return { outcomes };
  }

  /** Lets `count` waiting jobs go on; all of them by default. */
  unblock(count = Infinity): void {
    for (const release of this.#release.splice(0, count)) release();
  }

  async close(): Promise<void> {}

  /** `address` of every recipient attempted, in order. */
  get attempted(): string[] {
    return this.jobs.flatMap(({ recipients }) => recipients.map(({ address }) => address));
  }
}

const nothingGathered = { records: [], onRecorded: () => undefined };

/** One report per attempt, to the reverse-path; none to the null one. */
export class EnvelopeReporter implements ReportMaker {
  readonly asked: (readonly ReportableAttempt[])[] = [];
  failures = 0;
  failure = new Error("the report writer is broken");
  readonly #ids: QueueIds;
  readonly #clock: ManualClock;

  constructor(ids: QueueIds, clock: ManualClock) {
    this.#ids = ids;
    this.#clock = clock;
  }

  async reportsFor({ message, attempts }: Parameters<ReportMaker["reportsFor"]>[0]) {
    this.asked.push(attempts);
    if (this.failures > 0) {
      this.failures--;
      throw this.failure;
    }
    const failed = attempts.filter(({ outcome, expired }) => outcome.kind === "bounced" || expired === true);
    const at = this.#clock.now();
    if (message.reversePath === "") {
      const recipients = failed.map(({ recipient }) => recipient.address);
      const reason = "null reverse-path";
      return {
        reports: [],
        events: [{ kind: "report-withheld" as const, at, message: message.id, reason, recipients }],
        ...nothingGathered,
      };
    }
    const about = [{ action: "failed" as const, list: failed }].filter(({ list }) => list.length > 0);
    const made = about.map(({ action, list }) => {
      const recipients = list.map(({ recipient }) => recipient.address);
      const report = newMessage(this.#ids.next(), at, {
        reversePath: "",
        to: [message.reversePath],
        reportOn: message.id,
        subject: `${action}: ${recipients.join(" ")}`,
        autoSubmitted: true,
      });
      const event = { kind: "report-queued" as const, at, message: message.id, report: report.id, action, recipients };
      return { report: { message: report, content: Buffer.from("report") }, event };
    });
    return {
      reports: made.map(({ report }) => report),
      events: made.map(({ event }) => event),
      ...nothingGathered,
    };
  }

  claimEnded(): void {}
}

export interface MessageSketch {
  readonly reversePath?: string;
  readonly to: readonly (string | NewRecipient)[];
  readonly reportOn?: string;
  readonly subject?: string;
  readonly autoSubmitted?: boolean;
  readonly facts?: Partial<MessageFacts>;
  readonly forwarded?: ForwardedForm;
}

export function newMessage(id: string, receivedAt: number, sketch: MessageSketch): NewMessage {
  return {
    id,
    receivedAt,
    reversePath: sketch.reversePath ?? "sender@here.test",
    origin: { listener: sketch.reportOn === undefined ? "mx" : "local", protocol: "ESMTP", clientAddress: "192.0.2.9" },
    body: "7BIT",
    smtpUtf8: false,
    facts: {
      ...plainFacts,
      ...(sketch.subject !== undefined && { subject: sketch.subject }),
      ...(sketch.autoSubmitted !== undefined && { autoSubmitted: sketch.autoSubmitted }),
      ...sketch.facts,
    },
    headerBlock: "Received: by here.test\r\n",
    ...(sketch.reportOn !== undefined && { reportOn: sketch.reportOn }),
    ...(sketch.forwarded !== undefined && { forwarded: sketch.forwarded }),
    recipients: sketch.to.map((recipient) => (typeof recipient === "string" ? recipientAt(recipient) : recipient)),
  };
}

function recipientAt(address: string): NewRecipient {
  return { address, domain: address.slice(address.lastIndexOf("@") + 1) };
}

export class QueueFixture {
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  readonly log = new CollectingLog();
  readonly router = new TableRouter();
  readonly agent = new ScriptedAgent();
  readonly reporter: EnvelopeReporter;
  readonly spool: Spool;
  readonly store: MemoryStore;
  readonly ids: QueueIds;
  readonly queue: Queue;

  /** `before`: a queue that crashed or stopped; this one has its spool's state and starts at its time. */
  constructor(
    options: {
      readonly settings?: Parameters<typeof queueSettings.parse>[0];
      readonly before?: QueueFixture;
      readonly wrapSpool?: (spool: Spool) => Spool;
      readonly options?: Partial<QueueOptions>;
    } = {},
  ) {
    // A clock of its own: nothing of a crashed predecessor runs on.
    this.clock = new ManualClock(options.before?.clock.now());
    this.random = options.before?.random ?? new SeededRandom(1);
    this.ids = new QueueIds(this.clock, this.random);
    this.reporter = new EnvelopeReporter(this.ids, this.clock);
    this.store = options.before?.store ?? new MemoryStore();
    const spool = new MemorySpool({ clock: this.clock, store: this.store });
    this.spool = options.wrapSpool?.(spool) ?? spool;
    const { agent } = this;
    this.queue = new Queue({
      spool: this.spool,
      router: this.router,
      agents: agentForAll(agent),
      reporter: this.reporter,
      clock: this.clock,
      random: this.random,
      log: this.log,
      settings: queueSettings.parse(options.settings ?? {}),
      ...options.options,
    });
  }

  /** As `inbound/` does: commits with the queue's terms, hands over what came back claimed. */
  async accept(sketch: MessageSketch): Promise<StoredMessage> {
    const message = newMessage(this.ids.next(), this.clock.now(), sketch);
    const writer = this.spool.begin();
    await writer.append(Buffer.from("Subject: test\r\n\r\ntext\r\n"));
    const claim = this.queue.claimTermsForFresh(message.recipients.map(({ domain }) => domain));
    const { claimed, message: stored } = await writer.commit(message, { events: [], ...(claim && { claim }) });
    this.queue.accepted(claimed);
    return stored;
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await settle();
  }

  /** Lets everything under way go on, then moves time. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
  }

  async recipients(id: string): Promise<readonly StoredRecipient[]> {
    return (await this.spool.message(id))?.recipients ?? [];
  }

  async states(id: string): Promise<readonly string[]> {
    return (await this.recipients(id)).map(({ state }) => state);
  }

  /** Every report in the spool: its recipient and subject. */
  async reports(): Promise<readonly string[]> {
    const found = await this.spool.find(
      { states: ["scheduled", "claimed", "held", "relayed", "delivered", "failed", "expired"] },
      { limit: 10_000 },
    );
    return found
      .filter(({ message }) => message.reportOn !== undefined)
      .map(({ message, recipient }) => `${recipient.address} ${message.facts.subject ?? ""}`)
      .toReversed();
  }
}
