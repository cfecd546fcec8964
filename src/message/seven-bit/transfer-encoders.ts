/**
 * Quoted-printable and base64 (RFC 2045 §6.7, §6.8) for octets that arrive in pieces: any split gives equal output, and a
 * few octets of state are all that is kept.
 */
import { asciiUpperCase } from "../../lib/ascii-case.ts";

export interface TransferEncoder {
  push(bytes: Uint8Array): Buffer;
  end(): Buffer;
}

/** RFC 2045 §6.7 rule 5, with room for the soft line break. */
const quotedLineLengthMax = 75;
/** 76 characters (RFC 2045 §6.8). */
const base64LineBytes = 57;

const cr = 0x0d;
const lf = 0x0a;

/** For octets whose CRLF are line ends; everything comes back as it was. */
export class QuotedPrintableEncoder implements TransferEncoder {
  #column = 0;
  /** A blank or a CR whose meaning the next octet decides. */
  #held: number | undefined;

  push(bytes: Uint8Array): Buffer {
    const pieces: string[] = [];
    for (const octet of bytes) this.#take(octet, pieces);
    return Buffer.from(pieces.join(""), "latin1");
  }

  end(): Buffer {
    const pieces: string[] = [];
    if (this.#held !== undefined) this.#put(escape(this.#held), pieces);
    this.#held = undefined;
    return Buffer.from(pieces.join(""), "latin1");
  }

  #take(octet: number, pieces: string[]): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === cr && octet === lf) {
      pieces.push("\r\n");
      this.#column = 0;
      return;
    }
    // White space at the end of a line is lost on the way; a CR alone is no line end.
    if (held !== undefined) this.#put(held === cr || octet === cr ? escape(held) : String.fromCharCode(held), pieces);
    if (octet === cr || octet === 0x20 || octet === 0x09) this.#held = octet;
    else this.#put(isPlain(octet) ? String.fromCharCode(octet) : escape(octet), pieces);
  }

  #put(piece: string, pieces: string[]): void {
    if (this.#column + piece.length > quotedLineLengthMax) {
      pieces.push("=\r\n");
      this.#column = 0;
    }
    pieces.push(piece);
    this.#column += piece.length;
  }
}

/** A whole text at once. */
export function encodeQuotedPrintable(bytes: Uint8Array): Buffer {
  const encoder = new QuotedPrintableEncoder();
  return Buffer.concat([encoder.push(bytes), encoder.end()]);
}

export class Base64Encoder implements TransferEncoder {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): Buffer {
    const all = Buffer.concat([this.#rest, bytes]);
    const whole = all.length - (all.length % base64LineBytes);
    this.#rest = all.subarray(whole);
    return lines(all.subarray(0, whole));
  }

  end(): Buffer {
    const last = lines(this.#rest);
    this.#rest = Buffer.alloc(0);
    return last;
  }
}

function lines(bytes: Buffer): Buffer {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += base64LineBytes) {
    pieces.push(bytes.toString("base64", at, Math.min(bytes.length, at + base64LineBytes)), "\r\n");
  }
  return Buffer.from(pieces.join(""), "latin1");
}

/** Printable ASCII but `=`. */
function isPlain(octet: number): boolean {
  return octet > 0x20 && octet < 0x7f && octet !== 0x3d;
}

function escape(octet: number): string {
  return `=${asciiUpperCase(octet.toString(16)).padStart(2, "0")}`;
}
