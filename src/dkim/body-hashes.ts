/**
 * Body hashes of all signatures of a message, taken in one pass while the content arrives (RFC 6376 §3.7).
 *
 * Owns what is hashed of a canonical body, by how many, and how far. Promises that any split of the content gives
 * equal hashes, that equal requests share one hash, and that memory does not grow with the content.
 */
import { createHash, type Hash } from "node:crypto";
import { BodyCanonicalizer } from "./body-canonicalization.ts";
import type { Canonicalization } from "./canonicalization.ts";

export type HashAlgorithm = "sha256" | "sha1";

export interface BodyHash {
  /** After {@link BodyHashes.end}; may be asked several times. */
  digest(): Buffer;
  /** Octets of the canonical body, however many of them were hashed. Final after {@link BodyHashes.end}. */
  readonly canonicalLength: number;
}

const lf = 0x0a;
const cr = 0x0d;

/**
 * Takes everything after the header section. That begins with the empty line, which is not part of the body
 * (RFC 5322 §2.1), or is nothing at all.
 */
export class BodyHashes {
  #simple: BodyForm | undefined;
  #relaxed: BodyForm | undefined;
  #position: "start" | "behind-cr" | "body" = "start";
  #malformedStart = false;

  /**
   * Before the first {@link push}, or later for what was requested before it by someone else. Of the canonical octets no
   * more than `lengthMax` are hashed (l=).
   */
  request(
    canonicalization: Canonicalization,
    algorithm: HashAlgorithm,
    lengthMax = Number.POSITIVE_INFINITY,
  ): BodyHash {
    const present = canonicalization === "simple" ? this.#simple : this.#relaxed;
    const known = present?.find(algorithm, lengthMax);
    if (known !== undefined) return known;
    if (this.#position !== "start") throw new Error("body hashes are requested before the body arrives");
    const form = present ?? new BodyForm(canonicalization);
    if (canonicalization === "simple") this.#simple = form;
    else this.#relaxed = form;
    return form.add(algorithm, lengthMax);
  }

  push(bytes: Buffer): void {
    const body = this.#position === "body" ? bytes : this.#behindEmptyLine(bytes);
    if (body.length === 0) return;
    this.#simple?.canonicalizer.push(body);
    this.#relaxed?.canonicalizer.push(body);
  }

  /** The content is over. */
  end(): void {
    if (this.#position === "behind-cr") this.#malformedStart = true;
    this.#position = "body";
    this.#simple?.canonicalizer.end();
    this.#relaxed?.canonicalizer.end();
  }

  /**
   * What follows the header section is not the empty line: some would take it for header fields and some for body, so
   * no signature of this message may pass.
   */
  get malformedStart(): boolean {
    return this.#malformedStart;
  }

  #behindEmptyLine(bytes: Buffer): Buffer {
    let at = 0;
    if (this.#position === "start" && bytes[at] === cr) {
      this.#position = "behind-cr";
      at++;
    }
    if (at === bytes.length) return bytes.subarray(at);
    if (this.#position === "behind-cr" && bytes[at] === lf) at++;
    else this.#malformedStart = true;
    this.#position = "body";
    return bytes.subarray(at);
  }
}

/** One canonical form with those who want hashes of it. */
class BodyForm {
  readonly canonicalizer: BodyCanonicalizer;
  readonly #hashes: LimitedHash[] = [];

  constructor(form: Canonicalization) {
    this.canonicalizer = new BodyCanonicalizer(form, (bytes) => {
      for (const hash of this.#hashes) hash.update(bytes);
    });
  }

  find(algorithm: HashAlgorithm, lengthMax: number): BodyHash | undefined {
    return this.#hashes.find((hash) => hash.algorithm === algorithm && hash.lengthMax === lengthMax);
  }

  add(algorithm: HashAlgorithm, lengthMax: number): BodyHash {
    const hash = new LimitedHash(algorithm, lengthMax);
    this.#hashes.push(hash);
    return hash;
  }
}

/** A hash of the first octets of what it is given. */
class LimitedHash implements BodyHash {
  readonly algorithm: HashAlgorithm;
  readonly lengthMax: number;
  readonly #hash: Hash;
  #digest: Buffer | undefined;
  #canonicalLength = 0;

  constructor(algorithm: HashAlgorithm, lengthMax: number) {
    this.algorithm = algorithm;
    this.lengthMax = lengthMax;
    this.#hash = createHash(algorithm);
  }

  get canonicalLength(): number {
    return this.#canonicalLength;
  }

  update(bytes: Buffer): void {
    const wanted = this.lengthMax - this.#canonicalLength;
    if (wanted >= bytes.length) this.#hash.update(bytes);
    else if (wanted > 0) this.#hash.update(bytes.subarray(0, wanted));
    this.#canonicalLength += bytes.length;
  }

  digest(): Buffer {
    // By way of a text, since a buffer made by the hash itself has memory of its own, which takes a microsecond.
    return (this.#digest ??= Buffer.from(this.#hash.digest("latin1"), "latin1"));
  }
}
