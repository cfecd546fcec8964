/**
 * Every report in one message, whatever it is packed in: attachments, texts, files of archives, attached messages. Types
 * and names that the message declares are not asked; the first octets are.
 *
 * One budget for the whole message bounds the work: levels, parts, and octets of all that is opened and read, so that a
 * message costs a second at the very most. That is far longer than a turn of the event loop may take: this belongs into a
 * thread of its own (`server/sending/report-thread.ts`).
 */
import { looksLikeXml, parseAggregateReport } from "../../dmarc/report/parse-report.ts";
import { asBuffer } from "../../lib/as-buffer.ts";
import { unpack } from "../../lib/unpack.ts";
import { type MimeLeaf, mimeLeaves } from "../../message/mime-leaves.ts";
import type { RecordChange } from "../../spool/spool.ts";
import { parseTlsReport } from "../../tls-rpt/parse-report.ts";
import {
  commonOf,
  keepDmarcReport,
  keepTlsReport,
  type KeptReport,
  keptOctetsMax,
  type ReceivedFrom,
  storeReport,
} from "./received-report.ts";

export interface ReportsRead {
  /** Ready to be stored. */
  readonly records: readonly RecordChange[];
  /** Each report in a phrase; empty where there is none. */
  readonly reports: readonly string[];
  /** Why there is no report, as a phrase; "" where there is one. */
  readonly reason: string;
}

/** XML of so much has some 15,000 rows and takes half a second. */
export const readOctetsMax = 10_000_000;
/** One is usual; archives with a report for each domain are known. */
export const reportsMax = 20;
/** A report forwarded as an attachment of an attachment has four. One has a text or a picture beside it. */
export const mimeLimits = { levelsMax: 8, partsMax: 50, headerBytesMax: 256 * 1024 } as const;

export function readReports(content: Uint8Array, received: ReceivedFrom): ReportsRead {
  const reading = new Reading(received);
  const { leaves, notes } = mimeLeaves(asBuffer(content), mimeLimits);
  for (const leaf of leaves) reading.leaf(leaf);
  return reading.end(notes);
}

type FileRead =
  | { readonly kind: "kept"; readonly report: KeptReport; readonly what: string }
  | { readonly kind: "unreadable"; readonly reason: string; readonly isReport: boolean };

class Reading {
  readonly #received: ReceivedFrom;
  readonly #kept: { readonly report: KeptReport; readonly what: string }[] = [];
  /** Details of reports, so that one that is in the message twice counts once. */
  readonly #known = new Set<string>();
  #octetsLeft = readOctetsMax;
  #keptLeft = keptOctetsMax;
  /** What went wrong, by how much it says about why there is no report. */
  readonly #broken: string[] = [];
  readonly #foreign: string[] = [];

  constructor(received: ReceivedFrom) {
    this.#received = received;
  }

  leaf({ content, message }: MimeLeaf): void {
    if (this.#octetsLeft <= 0) return;
    const unpacked = unpack(content, { bytesMax: this.#octetsLeft });
    this.#octetsLeft -= unpacked.cost;
    if (unpacked.kind === "refused") {
      this.#broken.push(unpacked.reason);
      return;
    }
    for (const file of unpacked.files) {
      if (unpacked.cost === 0) this.#octetsLeft -= file.length;
      this.#file(file, message.first("tls-report-domain")?.value);
    }
  }

  end(notes: readonly string[]): ReportsRead {
    if (this.#octetsLeft <= 0) this.#broken.push(`no more than ${readOctetsMax} octets of a message are read`);
    const [first] = this.#kept;
    if (first === undefined) {
      const reason = [...this.#broken, ...notes, ...this.#foreign][0] ?? "the message holds no report";
      return { records: [], reports: [], reason };
    }
    // What was wrong beside the reports is told with the first.
    const { summary } = first.report;
    const problems = [...summary.problems, ...this.#broken, ...notes].slice(0, problemsMax);
    const reports = [
      { ...first.report, summary: { ...summary, problems } },
      ...this.#kept.slice(1).map(({ report }) => report),
    ];
    return {
      records: reports.flatMap((report) => storeReport(this.#received, report)),
      reports: this.#kept.map(({ what }) => what),
      reason: "",
    };
  }

  #file(file: Buffer, headerDomain: string | undefined): void {
    const read = this.#read(file, headerDomain);
    if (read === undefined) return;
    if (read.kind === "unreadable") {
      (read.isReport ? this.#broken : this.#foreign).push(read.reason);
      return;
    }
    const same = `${read.what} ${read.report.summary.report_id} ${read.report.details}`;
    if (this.#known.has(same)) return;
    this.#known.add(same);
    if (this.#kept.length === reportsMax) {
      this.#broken.push(`only the first ${reportsMax} reports of the message are kept`);
      return;
    }
    this.#keptLeft -= read.report.details.length;
    this.#kept.push(read);
  }

  /** Undefined: it is not even in the language of a report. */
  #read(file: Buffer, headerDomain: string | undefined): FileRead | undefined {
    const common = commonOf(this.#received, this.#kept.length + 1);
    const octetsMax = Math.max(0, this.#keptLeft);
    if (looksLikeXml(file)) {
      const parsed = parseAggregateReport(file);
      if (parsed.kind === "unreadable") return parsed;
      const { report, problems } = parsed;
      const what = `DMARC report of ${nameOf(report)} about ${report.policy.domain}`;
      return { kind: "kept", report: keepDmarcReport(common, { report, problems, octetsMax }), what };
    }
    if (!looksLikeJson(file)) return undefined;
    const parsed = parseTlsReport(file, headerDomain === undefined ? {} : { headerDomain });
    if (parsed.kind === "unreadable") return { ...parsed, isReport: false };
    const { report, problems } = parsed;
    const what = `TLS report of ${nameOf(report)}`;
    return { kind: "kept", report: keepTlsReport(common, { report, problems, octetsMax }), what };
  }
}

function nameOf({ organization }: { readonly organization: string }): string {
  return organization === "" ? "a reporter that gives no name" : organization.slice(0, 100);
}

const problemsMax = 15;

function looksLikeJson(bytes: Buffer): boolean {
  return /^(?:\ufeff)?\s*\{/.test(bytes.subarray(0, 200).toString("utf8"));
}
