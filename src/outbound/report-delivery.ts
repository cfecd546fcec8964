/**
 * Delivery into the store of reports: what comes to the address for reports is read, and kept in the transaction of its
 * outcome. Whatever it is, it is final: a report that cannot be read is listed as such, and nothing is ever answered, so
 * that no loop can begin here.
 *
 * Reading strangers' archives takes long, so the reader does it elsewhere, one message at a time: what waits for its turn
 * stays in the spool.
 */
import type { Log } from "../ports/log.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import { type ReceivedFrom, storeUnreadable } from "../reporting/received/received-report.ts";
import type { ReportsRead } from "../reporting/received/read-reports.ts";
import type { ReportWork } from "../reporting/report-work.ts";
import type { Content } from "../spool/spool.ts";

/** The largest reports known are some megabytes packed; a message of 15 MB carries 10 MB. */
const messageBytesMax = 15_000_000;

export interface ReportDeliverySettings {
  readonly keepMs: number;
}

export class ReportDelivery implements DeliveryAgent {
  readonly #log: Log;
  readonly #settings: () => ReportDeliverySettings;
  readonly #work: Pick<ReportWork, "read">;
  readonly #received: () => void;
  /** Resolves when the message before has been read. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: {
    readonly log: Log;
    readonly settings: () => ReportDeliverySettings;
    readonly work: Pick<ReportWork, "read">;
    /** Something will be kept. */
    readonly received?: () => void;
  }) {
    this.#received = parts.received ?? (() => undefined);
    this.#log = parts.log;
    this.#settings = parts.settings;
    this.#work = parts.work;
  }

  async deliver(job: DeliveryJob): Promise<DeliveryResult> {
    const { message, recipients } = job;
    const received: ReceivedFrom = {
      id: message.id,
      at: message.receivedAt,
      from: message.reversePath,
      keepMs: this.#settings().keepMs,
      ...(message.junk === true && { junk: true }),
    };
    const reading = this.#turn.then(() => this.#read(job, received));
    this.#turn = reading.catch(() => undefined);
    const { reports, records, reason } = await reading;
    this.#received();
    for (const report of reports) this.#log.event("report-received", { message: message.id, report });
    if (reports.length === 0) this.#log.event("report-unreadable", { message: message.id, reason });
    const text = reports.length > 0 ? `kept as ${reports.join(", ")}`.slice(0, 500) : `kept as unreadable: ${reason}`;
    const diagnostic = { type: "x-posthaste", text } as const;
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return {
      outcomes: recipients.map(({ index }) => ({ index, outcome })),
      records: reports.length > 0 ? records : storeUnreadable(received, reason),
    };
  }

  async close(): Promise<void> {}

  async #read(job: DeliveryJob, received: ReceivedFrom): Promise<ReportsRead> {
    await using content = await job.openContent();
    if (content.size > messageBytesMax) {
      const reason = `the message is larger than ${messageBytesMax} octets, the most that is read`;
      return { records: [], reports: [], reason };
    }
    return await this.#work.read(await wholeOf(content), received);
  }
}

/** In memory that nothing else uses, so that it can be handed to another thread; filled chunk by chunk. */
async function wholeOf(content: Content): Promise<Uint8Array> {
  const whole = new Uint8Array(content.size);
  if (content.whole !== undefined) {
    whole.set(content.whole);
    return whole;
  }
  let at = 0;
  for await (const chunk of content.chunks()) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
