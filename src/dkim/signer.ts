/**
 * DKIM signatures (RFC 6376 §5), made in one pass while the message arrives: the body goes through the hashes that the
 * caller feeds anyway, and only the header section is gone over again, once for each key.
 *
 * Promises relaxed/relaxed, over-signed header fields (see signed-fields.ts), no l= ever (RFC 6376 §8.2), lines of at
 * most 78 characters, and no signature over what readers could understand in two ways: several From fields or none, or
 * lines before the body that are no fields. RSA goes through the thread pool, Ed25519 is done at once.
 */
import { createHash, sign } from "node:crypto";
import { asBuffer } from "../lib/as-buffer.ts";
import type { Instant } from "../lib/instant.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { BodyHash, BodyHashes } from "./body-hashes.ts";
import { headerHashInput } from "./canonicalization.ts";
import { signedFieldNames } from "./signed-fields.ts";
import type { SigningKey } from "./signing-key.ts";

export interface SignerOptions {
  /** One signature for each, in this order from the top. */
  readonly keys: readonly SigningKey[];
  readonly crypto: SignatureCrypto;
  /** For t=. */
  readonly now: Instant;
}

/** One message on its way in. */
export class MessageSigner {
  readonly #header: HeaderSection;
  readonly #bodies: BodyHashes;
  readonly #bodyHash: BodyHash;
  readonly #names: readonly string[];
  readonly #options: SignerOptions;

  private constructor(header: HeaderSection, bodies: BodyHashes, names: readonly string[], options: SignerOptions) {
    this.#header = header;
    this.#bodies = bodies;
    this.#bodyHash = bodies.request("relaxed", "sha256");
    this.#names = names;
    this.#options = options;
  }

  /**
   * Before the first octet of the body goes into `bodies`; `header` is as it will be stored. Undefined: this message
   * is not to be signed.
   */
  static begin(header: HeaderSection, bodies: BodyHashes, options: SignerOptions): MessageSigner | undefined {
    // RFC 6376 §8.15: with two From fields it would be open which one the signature speaks for.
    if (options.keys.length === 0 || header.all("from").length !== 1) return undefined;
    const names = signedFieldNames(header);
    return names === undefined ? undefined : new MessageSigner(header, bodies, names, options);
  }

  /**
   * After `bodies.end()`: whole DKIM-Signature fields, each CRLF-ended, for the top of the message. Empty where the
   * message turned out to be one that nobody may sign. Rejects only where the key does not work.
   */
  async finish(): Promise<string> {
    if (this.#bodies.malformedStart) return "";
    const { keys } = this.#options;
    const [only] = keys;
    if (only !== undefined && keys.length === 1) return await this.#sign(only);
    const fields = await Promise.all(keys.map((key) => this.#sign(key)));
    return fields.join("");
  }

  async #sign(key: SigningKey): Promise<string> {
    const unsigned = this.#unsignedField(key);
    const data = headerHashInput({
      header: this.#header,
      names: this.#names,
      canonicalization: "relaxed",
      signatureField: Buffer.from(unsigned, "latin1"),
    });
    const signature = await signData(key, data, this.#options.crypto);
    return `${unsigned}${foldBase64(signature.toString("base64"), 3)}\r\n`;
  }

  /** Up to and with `b=`, which stands on a line of its own, so that its length changes no line before it. */
  #unsignedField({ algorithm, domain, selector }: SigningKey): string {
    const seconds = Math.floor(this.#options.now / 1000);
    const tags = new FoldedTags("DKIM-Signature: v=1;");
    tags.add(` a=${algorithm};`);
    tags.add(" c=relaxed/relaxed;");
    tags.add(` d=${domain};`);
    tags.add(` s=${selector};`);
    tags.add(` t=${seconds};`);
    tags.add(" h=");
    const last = this.#names.length - 1;
    for (const [index, name] of this.#names.entries()) tags.add(`${name}${index === last ? ";" : ":"}`, "");
    tags.add(` bh=${this.#bodyHash.digest().toString("base64")};`);
    return `${tags.text}\r\n b=`;
  }
}

/**
 * The octets of b= for `data`: the canonical header fields (DKIM), or a whole seal's input (ARC). Ed25519 signs the
 * SHA-256 of it (RFC 8463 §3) and takes some 50 µs, less than a trip to the thread pool is worth.
 */
export async function signData(key: SigningKey, data: Buffer, crypto: SignatureCrypto): Promise<Buffer> {
  switch (key.algorithm) {
    case "ed25519-sha256":
      return sign(null, createHash("sha256").update(data).digest(), key.key);
    case "rsa-sha256":
      return asBuffer(await crypto.signRsaSha256(key.key, data));
    default:
      return key.algorithm satisfies never;
  }
}

/** RFC 5322 §2.1.1. A tag that no line could hold stands alone on a longer one. */
const lineLength = 78;

/** Puts a field together, going to the next line where a piece would not fit. */
export class FoldedTags {
  text: string;
  #used: number;

  constructor(start: string) {
    this.text = start;
    this.#used = start.length;
  }

  /** `white`: what a new line gets before the piece, which has none of its own then. */
  add(piece: string, white?: ""): void {
    if (this.#used + piece.length > lineLength) {
      this.text += white === undefined ? "\r\n" : "\r\n ";
      this.#used = white === undefined ? 0 : 1;
    }
    this.text += piece;
    this.#used += piece.length;
  }
}

/** White space within b= counts for nothing (RFC 6376 §3.5). `used`: octets that its first line has already. */
export function foldBase64(base64: string, used: number): string {
  let text = base64.slice(0, lineLength - used);
  for (let at = lineLength - used; at < base64.length; at += lineLength - 1) {
    text += `\r\n ${base64.slice(at, at + lineLength - 1)}`;
  }
  return text;
}
