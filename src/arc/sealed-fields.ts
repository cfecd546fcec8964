/** What a seal covers (RFC 8617 §5.1.1): the fields of all sets up to its own, in relaxed form, its own b= empty. */
import { headerHashInput, relaxedHeaderField } from "../dkim/canonicalization.ts";
import { type HeaderField, HeaderSection } from "../message/header-section.ts";

export interface SealedSet {
  readonly results: Pick<HeaderField, "raw">;
  readonly message: Pick<HeaderField, "raw">;
  readonly seal: Pick<HeaderField, "raw">;
}

const noHeader = new HeaderSection(Buffer.alloc(0), []);

export class SealedFields {
  /** Of all sets, canonical. */
  readonly #bytes: Buffer;
  /** Where the seal of each set begins in it. */
  readonly #sealStarts = new Map<SealedSet, number>();

  /** Ascending. */
  constructor(sets: readonly SealedSet[]) {
    const parts: Buffer[] = [];
    let length = 0;
    const add = (field: Pick<HeaderField, "raw">): void => {
      const part = relaxedHeaderField(field.raw);
      parts.push(part);
      length += part.length;
    };
    for (const set of sets) {
      add(set.results);
      add(set.message);
      this.#sealStarts.set(set, length);
      add(set.seal);
    }
    this.#bytes = Buffer.concat(parts, length);
  }

  /** `set`: one of those given. */
  under(set: SealedSet): Buffer {
    const seal = headerHashInput({
      header: noHeader,
      names: [],
      canonicalization: "relaxed",
      signatureField: set.seal.raw,
    });
    return Buffer.concat([this.#bytes.subarray(0, this.#sealStarts.get(set)), seal]);
  }
}
