/**
 * Delivery into the store of reports: what comes to the address for reports is read, and kept in the transaction of its
 * outcome. Whatever it is, it is final: a report that cannot be read is listed as such, and nothing is ever answered, so
 * that no loop can begin here.
 */
import PostalMime from "postal-mime";
import { AggregateReportReader, looksLikeXml, type ParsedReport, sliceBytes } from "../dmarc/report/parse-report.ts";
import { unpack } from "../lib/unpack.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import {
  type ReceivedFrom,
  storeDmarcReport,
  storeTlsReport,
  storeUnreadable,
} from "../reporting/received/received-report.ts";
import type { Content, RecordChange } from "../spool/spool.ts";
import { parseTlsReport } from "../tls-rpt/parse-report.ts";

/** The largest reports known are some megabytes packed; a message of 15 MB carries 10 MB. */
const messageBytesMax = 15_000_000;
/** XML of so much has some 15,000 rows and takes half a second, in slices. */
const reportBytesMax = 10_000_000;
/** Reports have one, some a text or a picture beside it. */
const partsMax = 20;

export interface ReportDeliverySettings {
  readonly keepMs: number;
}

type Reading =
  | { readonly kind: "stored"; readonly records: readonly RecordChange[]; readonly what: string }
  | { readonly kind: "unreadable"; readonly reason: string };

export class ReportDelivery implements DeliveryAgent {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #settings: () => ReportDeliverySettings;
  readonly #received: () => void;

  constructor(parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly settings: () => ReportDeliverySettings;
    /** Something will be kept. */
    readonly received?: () => void;
  }) {
    this.#received = parts.received ?? (() => undefined);
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#settings = parts.settings;
  }

  async deliver(job: DeliveryJob): Promise<DeliveryResult> {
    const { message, recipients } = job;
    const received: ReceivedFrom = {
      id: message.id,
      at: message.receivedAt,
      from: message.reversePath,
      keepMs: this.#settings().keepMs,
    };
    const reading = await this.#read(job, received);
    const stored = reading.kind === "stored";
    this.#received();
    if (stored) this.#log.event("report-received", { message: message.id, report: reading.what });
    else this.#log.event("report-unreadable", { message: message.id, reason: reading.reason });
    const text = stored ? `kept as ${reading.what}` : `kept as unreadable: ${reading.reason}`;
    const diagnostic = { type: "x-posthaste", text } as const;
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return {
      outcomes: recipients.map(({ index }) => ({ index, outcome })),
      records: stored ? reading.records : storeUnreadable(received, reading.reason),
    };
  }

  async close(): Promise<void> {}

  async #read(job: DeliveryJob, received: ReceivedFrom): Promise<Reading> {
    await using content = await job.openContent();
    if (content.size > messageBytesMax) {
      return { kind: "unreadable", reason: `the message is larger than the ${messageBytesMax} octets that are read` };
    }
    const parts = await reportParts(await wholeOf(content));
    let reason = "the message holds no report";
    for (const part of parts) {
      const unpacked = unpack(part, { bytesMax: reportBytesMax });
      if (unpacked.kind === "refused") {
        reason = unpacked.reason;
        continue;
      }
      for (const file of unpacked.files) {
        const reading = await this.#readFile(file, received);
        if (reading?.kind === "stored") return reading;
        if (reading !== undefined) reason = reading.reason;
      }
    }
    return { kind: "unreadable", reason };
  }

  /** Undefined: it is not even in the language of a report. */
  async #readFile(file: Buffer, received: ReceivedFrom): Promise<Reading | undefined> {
    if (looksLikeXml(file)) {
      const parsed = await this.#readXml(file);
      if (parsed.kind === "unreadable") return parsed;
      const { report, problems } = parsed;
      const what = `DMARC report of ${report.organization} about ${report.policy.domain}`;
      return { kind: "stored", records: storeDmarcReport(received, report, problems), what };
    }
    if (!looksLikeJson(file)) return undefined;
    const parsed = parseTlsReport(file);
    if (parsed.kind === "unreadable") return parsed;
    const { report, problems } = parsed;
    return {
      kind: "stored",
      records: storeTlsReport(received, report, problems),
      what: `TLS report of ${report.organization}`,
    };
  }

  /** Large ones in slices, so that mail gets its turns between them. */
  async #readXml(file: Buffer): Promise<ParsedReport> {
    const reader = new AggregateReportReader();
    for (let at = 0; at < file.length; at += sliceBytes) {
      if (at > 0) await this.#clock.sleep(0);
      reader.push(file.subarray(at, at + sliceBytes));
    }
    return reader.end();
  }
}

/** Everything that could be a report, attachments first; declared types and names are not asked. */
async function reportParts(raw: Buffer): Promise<readonly Buffer[]> {
  const { attachments, text } = await PostalMime.parse(raw, { attachmentEncoding: "arraybuffer" });
  const parts = attachments.slice(0, partsMax).map(({ content }) => bytesOf(content));
  // A program of long ago may put it into the text.
  return text === undefined ? parts : [...parts, Buffer.from(text)];
}

function bytesOf(content: string | ArrayBuffer | Uint8Array): Buffer {
  if (typeof content === "string") return Buffer.from(content);
  return content instanceof ArrayBuffer
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

async function wholeOf(content: Content): Promise<Buffer> {
  if (content.whole !== undefined) return Buffer.from(content.whole);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function looksLikeJson(bytes: Buffer): boolean {
  return /^(?:\ufeff)?\s*\{/.test(bytes.subarray(0, 200).toString("utf8"));
}
