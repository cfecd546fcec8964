/**
 * Content on its way into the spool: the header section is collected, made to end where everybody sees its end, and, for
 * submissions, edited; everything is scanned once and appended as it comes. Nothing but the header section is held in memory.
 */
import { ContentScanner, type ContentFindings } from "../message/content-scanner.ts";
import { judgeHeaderEnd, type HeaderFault, placeInHeader } from "../message/header-end.ts";
import {
  HeaderCollector,
  parseHeaderFields,
  type HeaderResult,
  type HeaderSection,
} from "../message/header-section.ts";
import type { ContentChecks } from "./content-checks.ts";
import type { BodyHashes } from "../dkim/body-hashes.ts";
import { asBuffer } from "../lib/as-buffer.ts";
import type { MessageWriter } from "../spool/spool.ts";

/** Makes the header as it will be stored. */
export type HeaderEdit = (header: HeaderSection) => HeaderSection;

/** Why content is not taken. */
export type ContentFault = "header-too-large" | "memory-short" | HeaderFault;

export interface IncomingContentOptions {
  /** As that of a writer. */
  readonly append: MessageWriter["append"];
  readonly headerBytesMax: number;
  /** Counts octets that stay in memory; false: there is no room for them. */
  readonly hold: (octets: number) => boolean;
  /** BDAT brings line ends as they are; DATA's decoder has seen to them. */
  readonly checkLineEnds: boolean;
  readonly edit?: HeaderEdit;
  readonly checks?: ContentChecks;
}

interface Body {
  readonly header: HeaderSection;
  readonly scanner: ContentScanner;
  readonly hashes: BodyHashes | undefined;
  /** The header section as it came. */
  readonly received: Buffer;
  readonly mboxLineBytes: number;
}

export interface FinishedContent {
  readonly header: HeaderSection;
  readonly findings: ContentFindings;
  readonly mboxLineDropped: boolean;
}

/** The object of a field. */
const fieldOverhead = 100;
/** A spool keeps as much of a message in memory before it goes to a file. */
const contentHeldMax = 256 * 1024;

const emptyLine = Buffer.from("\r\n", "latin1");

export class IncomingContent {
  readonly #options: IncomingContentOptions;
  readonly #collector: HeaderCollector;
  #body: Body | undefined;
  /** Of the content, in memory and counted. */
  #held = 0;
  #wait: Promise<void> | undefined;
  #faultPlace: string | undefined;

  constructor(options: IncomingContentOptions) {
    this.#options = options;
    this.#collector = new HeaderCollector({ headerBytesMax: options.headerBytesMax, dropMboxLine: true });
  }

  /** The slices belong to the spool from here on. A promise: wait before the next. */
  push(slices: readonly Uint8Array[]): ContentFault | Promise<void> | undefined {
    this.#wait = undefined;
    for (const slice of slices) {
      const bytes = asBuffer(slice);
      if (!this.#hold(bytes.length)) return "memory-short";
      if (this.#body !== undefined) {
        this.#body.scanner.push(bytes);
        this.#body.hashes?.push(bytes);
        this.#append(bytes);
        continue;
      }
      const progress = this.#collector.push(bytes);
      if (progress.kind === "need-more") continue;
      const fault = this.#beginBody(progress);
      if (fault !== undefined) return fault;
    }
    return this.#wait;
  }

  /** After the last slice. `firstBareCr`: where it stood in what was pushed, if one was repaired. */
  finish(firstBareCr?: number): FinishedContent | ContentFault {
    this.#wait = undefined;
    if (this.#body === undefined) {
      const fault = this.#beginBody(this.#collector.end());
      if (fault !== undefined) return fault;
    }
    const body = this.#body;
    if (body === undefined) throw new Error("a header section without a fault begins a body");
    if (firstBareCr !== undefined && firstBareCr < body.mboxLineBytes + body.received.length + emptyLine.length) {
      this.#faultPlace = placeInHeader(body.received, firstBareCr - body.mboxLineBytes);
      return "stray-octets";
    }
    body.hashes?.end();
    return { header: body.header, findings: body.scanner.end(), mboxLineDropped: body.mboxLineBytes > 0 };
  }

  /** Where in the header section the fault is that was found, if that is known. */
  get faultPlace(): string | undefined {
    return this.#faultPlace;
  }

  /** Of the last append, where there is one to wait for. */
  get pendingWrite(): Promise<void> | undefined {
    return this.#wait;
  }

  /** The header section is held as it came, and again where it is edited; the rest until the spool has written it. */
  #hold(octets: number): boolean {
    const counted = this.#body === undefined ? octets : Math.min(octets, contentHeldMax - this.#held);
    if (counted <= 0) return true;
    if (!this.#options.hold(counted)) return false;
    this.#held += counted;
    return true;
  }

  #beginBody(result: HeaderResult): ContentFault | undefined {
    if (result.kind === "too-large") return "header-too-large";
    const end = judgeHeaderEnd(result.header, result.rest);
    if (end.kind === "ambiguous") {
      this.#faultPlace = end.place;
      return end.fault;
    }
    const received = parseHeaderFields(result.header);
    if (!this.#options.hold(received.bytes.length + fieldOverhead * received.fields.length)) return "memory-short";
    const { edit, checkLineEnds, checks } = this.#options;
    const header = edit === undefined ? received : edit(received);
    const scanner = new ContentScanner(header, { checkLineEnds });
    const hashes = checks?.headerComplete(received, header);
    this.#body = { header, scanner, hashes, received: result.header, mboxLineBytes: result.mboxLineBytes };
    if (header.bytes.length > 0) this.#append(header.bytes);
    if (end.kind === "unseparated") {
      scanner.push(emptyLine);
      // A stranger's signatures are judged by what came, and what came has no body that all agree on.
      if (checks?.judgesSender === false) hashes?.push(emptyLine);
      this.#append(emptyLine);
    }
    if (result.rest.length > 0) {
      scanner.push(result.rest);
      hashes?.push(result.rest);
      this.#append(result.rest);
    }
    return undefined;
  }

  #append(bytes: Buffer): void {
    const wait = this.#options.append(bytes);
    if (wait === undefined) return;
    const earlier = this.#wait;
    this.#wait = earlier === undefined ? wait : Promise.all([earlier, wait]).then(() => undefined);
  }
}
