/**
 * Whether content with 8-bit octets can be brought into 7 bits without harm (RFC 6152 §3, RFC 2045 §6), and how: which
 * leaf of its MIME structure gets which encoding. One pass over the content; {@link SevenBitContent} then follows the plan.
 *
 * Refused is what a conversion would break or cannot express: someone's signature over the body, a header that is not
 * ASCII, parts that MIME forbids to encode, and content whose declared encoding is not true.
 */
import { isAscii } from "node:buffer";
import type { HeaderSection } from "../header-section.ts";
import { type MimeVisitor, MimeWalk, type PartHeader, type WalkProblem } from "./mime-walk.ts";

export type LeafEncoding = "none" | "quoted-printable" | "base64";

export interface SevenBitPlan {
  /** One for each leaf, opaque ones too, in order. */
  readonly leaves: readonly LeafPlan[];
}

export interface LeafPlan {
  readonly encoding: LeafEncoding;
  /** For text without Content-Type: all of it is UTF-8. */
  readonly isUtf8: boolean;
}

export type ConversionProblem =
  | WalkProblem
  | "dkim-signature"
  | "arc-seal"
  | "header-not-ascii"
  | "unencodable-part"
  | "false-encoding"
  | "signature-not-renewed";

/** In a report: why nothing was converted. */
export const problemTexts: Readonly<Record<ConversionProblem, string>> = {
  signed: "it is signed (multipart/signed), which a conversion would break",
  "header-too-large": "the header of a part is too large",
  "too-complex": "its MIME structure is too complex",
  "dkim-signature": "it has a DKIM signature that is not ours, which a conversion would break",
  "signature-not-renewed": "our signature could not be made over the converted form",
  "arc-seal": "it has an ARC seal, which a conversion would break",
  "header-not-ascii": "a header is not ASCII",
  "unencodable-part": "it has 8-bit octets in a part that may not be encoded (RFC 2046 §5.2)",
  "false-encoding": "it has 8-bit octets in a part declared as encoded",
};

/** Base64 costs a third more, quoted-printable two octets for each that is not ASCII. */
const base64From = 1 / 6;

export class SevenBitPlanner implements MimeVisitor {
  readonly #walk = new MimeWalk(this);
  readonly #leaves: LeafPlan[] = [];
  #problem: ConversionProblem | undefined;
  #leaf: { readonly part: PartHeader; octets: number; eightBit: number; decoder: TextDecoder | undefined } | undefined;
  #isFirst = true;

  push(bytes: Uint8Array): void {
    this.#walk.push(bytes);
  }

  end(): SevenBitPlan | { readonly problem: ConversionProblem } {
    this.#walk.end();
    const problem = this.#problem ?? this.#walk.problem;
    return problem === undefined ? { leaves: this.#leaves } : { problem };
  }

  header(part: PartHeader): void {
    const { header, kind } = part;
    if (!isAscii(header.bytes)) this.#problem ??= "header-not-ascii";
    // Of an enclosed message they are history; of the message itself the next server checks them.
    if (this.#isFirst) this.#problem ??= sealOf(header);
    this.#isFirst = false;
    if (kind === "leaf" || kind === "opaque") {
      const decoder =
        header.first("content-type") === undefined ? new TextDecoder("utf-8", { fatal: true }) : undefined;
      this.#leaf = { part, octets: 0, eightBit: 0, decoder };
    }
  }

  body(bytes: Buffer): void {
    const leaf = this.#leaf;
    if (leaf === undefined) return;
    leaf.octets += bytes.length;
    leaf.decoder = decoded(leaf.decoder, bytes);
    if (isAscii(bytes)) return;
    for (const octet of bytes) if (octet > 127) leaf.eightBit++;
    if (leaf.part.kind === "opaque") this.#problem ??= opaqueProblem(leaf.part.header);
  }

  between(): void {
    // Preambles, epilogues and delimiters: read by nobody, and made ASCII where they are not.
  }

  bodyEnd(): void {
    const leaf = this.#leaf;
    if (leaf === undefined) return;
    this.#leaf = undefined;
    const encoding =
      leaf.eightBit === 0 ? "none" : leaf.eightBit / leaf.octets > base64From ? "base64" : "quoted-printable";
    this.#leaves.push({ encoding, isUtf8: leaf.decoder !== undefined });
  }
}

function sealOf(header: HeaderSection): ConversionProblem | undefined {
  if (header.first("dkim-signature") !== undefined) return "dkim-signature";
  return header.first("arc-message-signature") === undefined ? undefined : "arc-seal";
}

function opaqueProblem(header: HeaderSection): ConversionProblem {
  return /^\s*message\//i.test(header.first("content-type")?.value ?? "") ? "unencodable-part" : "false-encoding";
}

/** undefined once something was not UTF-8. */
function decoded(decoder: TextDecoder | undefined, bytes: Buffer): TextDecoder | undefined {
  try {
    decoder?.decode(bytes, { stream: true });
    return decoder;
  } catch {
    return undefined;
  }
}
