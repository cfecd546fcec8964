/**
 * Aggregate reports as others send them: the XML of RFC 7489 Appendix C and of RFC 9990 Appendix A, read as a stream of
 * events. Reports come from strangers: no entity is expanded, depth, text and rows are bounded, and what is wrong ends
 * in an error or in the rows read before it, never in an exception.
 */
import { SaxesParser } from "saxes";
import type { AggregateReport } from "./aggregate-report.ts";
import { ReportBuilder } from "./report-builder.ts";

export type ParsedReport =
  /** `problems`: what was wrong and read over, at most some; `complete` is false where rows may be missing. */
  | {
      readonly kind: "report";
      readonly report: AggregateReport;
      readonly complete: boolean;
      readonly problems: readonly string[];
    }
  | { readonly kind: "unreadable"; readonly reason: string };

/** The whole report, when it is in memory. */
export function parseAggregateReport(bytes: Uint8Array): ParsedReport {
  const reader = new AggregateReportReader();
  for (let at = 0; at < bytes.length; at += sliceBytes) reader.push(bytes.subarray(at, at + sliceBytes));
  return reader.end();
}

/** Whether it looks like XML at all: the first octet that is no white space or byte order mark is `<`. */
export function looksLikeXml(bytes: Uint8Array): boolean {
  for (const octet of bytes.subarray(0, 256)) {
    if (octet === 0x3c) return true;
    if (!blank.has(octet)) return false;
  }
  return false;
}

/** NUL, white space, and the octets of the byte order marks. */
const blank = new Set([0, 9, 10, 13, 32, 0xef, 0xbb, 0xbf, 0xfe, 0xff]);
/** Parsing takes about 20 ms for so much. */
export const sliceBytes = 256 * 1024;
/** The formats need six levels; extensions may have some more. */
const depthMax = 32;
/** A report of ten megabytes, the most that is unpacked, has about so many rows. */
export const rowsMax = 20_000;

export class AggregateReportReader {
  readonly #builder = new ReportBuilder();
  readonly #parser = new SaxesParser({ xmlns: false, position: false });
  readonly #path: string[] = [];
  #decoder: TextDecoder | undefined;
  #head: Uint8Array = new Uint8Array();
  #prefix: string | undefined;
  #stopped: string | undefined;

  constructor() {
    this.#parser.on("opentag", ({ name }) => this.#open(name));
    this.#parser.on("closetag", () => this.#close());
    this.#parser.on("text", (text) => this.#builder.text(text));
    this.#parser.on("cdata", (text) => this.#builder.text(text));
    this.#parser.on("error", (error) => {
      throw new StopReading(`the XML is broken: ${error.message}`);
    });
  }

  /** After the first error nothing more is looked at. */
  push(bytes: Uint8Array): void {
    if (this.#stopped !== undefined) return;
    if (this.#decoder === undefined) {
      // The declaration with the encoding stands in the first line.
      this.#head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
      if (this.#head.length < declarationBytesMax) return;
      this.#begin();
      return;
    }
    this.#write(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): ParsedReport {
    if (this.#decoder === undefined) this.#begin();
    this.#write(this.#decoder?.decode() ?? "");
    this.#guarded(() => {
      this.#parser.close();
    });
    return this.#builder.finish(this.#stopped);
  }

  #begin(): void {
    this.#decoder = new TextDecoder(encodingOf(this.#head));
    this.#write(this.#decoder.decode(this.#head, { stream: true }));
    this.#head = new Uint8Array();
  }

  #write(text: string): void {
    if (text.includes("\ufffd")) this.#builder.problem("some octets are not valid in the encoding of the report");
    this.#guarded(() => {
      this.#parser.write(text);
    });
  }

  #guarded(step: () => void): void {
    if (this.#stopped !== undefined) return;
    try {
      step();
    } catch (error) {
      // The parser itself throws for a malformed declaration and the like.
      this.#stopped = error instanceof Error ? error.message.slice(0, 300) : "the XML cannot be read";
    }
  }

  #open(name: string): void {
    if (this.#path.length >= depthMax) throw new StopReading(`the XML is nested deeper than ${depthMax} levels`);
    if (this.#prefix === undefined) {
      const colon = name.indexOf(":");
      this.#prefix = colon === -1 ? "" : name.slice(0, colon + 1);
    }
    // Where the root has a prefix its children may have it or not; anything else with a prefix is an extension.
    const own = this.#prefix !== "" && name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : name;
    this.#path.push(own);
    if (this.#path.length === 1) {
      if (own !== "feedback") throw new StopReading("the XML is no aggregate report: its root is not <feedback>");
    }
    this.#builder.open(this.#path.slice(1).join("/"));
    if (this.#builder.rowCount > rowsMax) throw new StopReading(`the report has more than ${rowsMax} rows`);
  }

  #close(): void {
    this.#builder.close(this.#path.slice(1).join("/"));
    this.#path.pop();
  }
}

class StopReading extends Error {
  override readonly name = "StopReading";
}

const declarationBytesMax = 256;
/** What reporters declare, with the decoder for each; everything else is read as UTF-8. */
const encodings = new Set(["utf-8", "utf8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251"]);

function encodingOf(head: Uint8Array): string {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, declarationBytesMax)).toString("latin1");
  const declared = /^[^<]{0,8}<\?xml[^>]{1,200}?encoding\s{0,5}=\s{0,5}["']([\w.-]{1,30})["']/.exec(text)?.[1];
  const name = declared?.toLowerCase();
  return name !== undefined && encodings.has(name) ? name : "utf-8";
}
