/**
 * Content in 7 bits, by a plan that {@link SevenBitPlanner} made of the same content. Pieces in, pieces out; the same octets
 * every time, whatever the split. What needs no encoding stays as it was, to the octet.
 */
import { isAscii } from "node:buffer";
import type { HeaderSection } from "../header-section.ts";
import { isIdentity, type MimeVisitor, MimeWalk, type PartHeader } from "./mime-walk.ts";
import type { LeafPlan, SevenBitPlan } from "./seven-bit-plan.ts";
import { Base64Encoder, QuotedPrintableEncoder, type TransferEncoder } from "./transfer-encoders.ts";

const crlf = Buffer.from("\r\n");

export class SevenBitContent implements MimeVisitor {
  readonly #walk = new MimeWalk(this);
  readonly #plan: SevenBitPlan;
  #out: Buffer[] = [];
  #leaf = 0;
  #encoder: TransferEncoder | undefined;
  #isBase64 = false;
  #endsInLine = true;

  constructor(plan: SevenBitPlan) {
    this.#plan = plan;
  }

  push(bytes: Uint8Array): Buffer {
    this.#walk.push(bytes);
    return this.#take();
  }

  end(): Buffer {
    this.#walk.end();
    return this.#take();
  }

  header({ header, kind, isMessage }: PartHeader, hasSeparator: boolean): void {
    const leaf = kind === "leaf" || kind === "opaque" ? this.#plan.leaves[this.#leaf++] : undefined;
    const encoding = leaf?.encoding ?? "none";
    if (leaf === undefined || encoding === "none") {
      this.#out.push(withoutEightBit(header));
      if (hasSeparator) this.#out.push(crlf);
      return;
    }
    this.#out.push(encodedHeader(header, leaf, isMessage), crlf);
    this.#isBase64 = encoding === "base64";
    this.#encoder = this.#isBase64 ? new Base64Encoder() : new QuotedPrintableEncoder();
  }

  body(bytes: Buffer): void {
    this.#write(this.#encoder?.push(bytes) ?? bytes);
  }

  bodyEnd(): void {
    if (this.#encoder !== undefined) this.#write(this.#encoder.end());
    // The line end before a delimiter is there already.
    this.#endsInLine = this.#isBase64 && this.#encoder !== undefined;
    this.#encoder = undefined;
    this.#isBase64 = false;
  }

  between(bytes: Buffer): void {
    const afterBase64 = this.#endsInLine && (bytes.equals(crlf) || bytes.equals(crlf.subarray(1)));
    this.#endsInLine = false;
    if (!afterBase64)
      this.#out.push(isAscii(bytes) ? bytes : Buffer.from(bytes.map((octet) => (octet > 127 ? 0x3f : octet))));
  }

  #write(bytes: Buffer): void {
    if (bytes.length > 0) this.#out.push(bytes);
  }

  #take(): Buffer {
    const out = Buffer.concat(this.#out);
    this.#out = [];
    return out;
  }
}

/** What contained 8-bit octets contains none now (RFC 2045 §6.4): `8bit` and `binary` become `7bit`. */
function withoutEightBit(header: HeaderSection): Buffer {
  const field = header.first("content-transfer-encoding");
  if (field === undefined || !isIdentity(header) || /^\s*7bit/i.test(field.value)) return header.bytes;
  return Buffer.concat(
    header.fields.map((one) =>
      one.name === "content-transfer-encoding" ? Buffer.from("Content-Transfer-Encoding: 7bit\r\n") : one.raw,
    ),
  );
}

function encodedHeader(header: HeaderSection, leaf: LeafPlan, isMessage: boolean): Buffer {
  const kept = header.fields.filter(({ name }) => name !== "content-transfer-encoding").map(({ raw }) => raw);
  const added: string[] = [];
  if (isMessage && header.first("mime-version") === undefined) added.push("MIME-Version: 1.0");
  // `unknown-8bit` is the registered name for 8-bit text without a label; what can be read as UTF-8 nearly always is.
  if (header.first("content-type") === undefined) {
    added.push(`Content-Type: text/plain; charset=${leaf.isUtf8 ? "utf-8" : "unknown-8bit"}`);
  }
  added.push(`Content-Transfer-Encoding: ${leaf.encoding}`);
  return Buffer.concat([...kept, Buffer.from(added.map((line) => `${line}\r\n`).join(""))]);
}
