/**
 * Aggregate reports as others send them: the XML of RFC 7489 Appendix C and of RFC 9990 Appendix A. Reports come from
 * strangers: no entity is expanded, depth, text and rows are bounded, slips outside the elements that matter cost a note,
 * and what is broken ends in a reason or in the rows read before it, never in an exception.
 *
 * Reading ten megabytes takes half a second: call it where nobody waits for this thread.
 */
import { readXml, XmlError, type XmlHandler } from "../../lib/lenient-xml.ts";
import { type BuiltReport, ReportBuilder } from "./report-builder.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";

export type ParsedReport =
  | Extract<BuiltReport, { kind: "report" }>
  /** `isReport`: it is one by its root, only broken. */
  | { readonly kind: "unreadable"; readonly reason: string; readonly isReport: boolean };

export function parseAggregateReport(bytes: Uint8Array): ParsedReport {
  const builder = new ReportBuilder();
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes);
  if (text.includes("\ufffd")) builder.problem("some octets are not valid in the encoding of the report");
  const reader = new AggregateReportReader(builder);
  let stopped: string | undefined;
  try {
    readXml(text, reader);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    stopped = error.message;
  }
  const finished = builder.finish(stopped);
  return finished.kind === "report" ? finished : { ...finished, isReport: reader.isReport };
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
/** The formats need six levels; extensions may have some more. */
const depthMax = 32;
/** A report of ten megabytes, the most that is unpacked, has about so many rows. */
export const rowsMax = 20_000;

class AggregateReportReader implements XmlHandler {
  readonly #builder: ReportBuilder;
  readonly #path: string[] = [];
  #prefix: string | undefined;

  isReport = false;

  constructor(builder: ReportBuilder) {
    this.#builder = builder;
  }

  open(name: string): void {
    if (this.#path.length >= depthMax) throw new XmlError(`the XML is nested deeper than ${depthMax} levels`);
    if (this.#prefix === undefined) {
      const colon = name.indexOf(":");
      this.#prefix = colon === -1 ? "" : name.slice(0, colon + 1);
    }
    // Where the root has a prefix its children may have it or not; anything else with a prefix is an extension.
    const own = this.#prefix !== "" && name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : name;
    this.#path.push(own);
    if (this.#path.length === 1 && own !== "feedback") {
      throw new XmlError("the XML is no aggregate report: its root is not <feedback>");
    }
    this.isReport = true;
    this.#builder.open(this.#path.slice(1).join("/"));
    if (this.#builder.rowCount > rowsMax) throw new XmlError(`the report has more than ${rowsMax} rows`);
  }

  text(text: string): void {
    this.#builder.text(text);
  }

  close(): void {
    this.#builder.close(this.#path.slice(1).join("/"));
    this.#path.pop();
  }

  problem(text: string): void {
    this.#builder.problem(text);
  }
}

const declarationBytesMax = 512;
/** What reporters declare, with the decoder for each; everything else is read as UTF-8. */
const encodings = new Set(["utf-8", "utf8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251"]);

function encodingOf(head: Uint8Array): string {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, declarationBytesMax)).toString("latin1");
  const declared = /^[^<]{0,256}<\?xml[^>]{1,200}?encoding\s{0,5}=\s{0,5}["']([\w.-]{1,30})["']/.exec(text)?.[1];
  const name = declared === undefined ? undefined : asciiLowerCase(declared);
  return name !== undefined && encodings.has(name) ? name : "utf-8";
}
