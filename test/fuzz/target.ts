/**
 * What can be fuzzed: a name, inputs to begin with, words that open doors, and what must hold for any input. `run` throws
 * when it does not hold; that is a find.
 */
export interface FuzzTarget {
  readonly name: string;
  /** Which line of the record of counts it belongs to. */
  readonly family: string;
  /** At least one; mutations begin here. */
  readonly seeds: () => readonly Buffer[];
  /** Octets that mutations put in: delimiters, keywords, numbers at their limits. */
  readonly words: readonly string[];
  readonly bytesMax: number;
  /** Where size may matter: long repetitive inputs of up to so many octets are tried too, and their time is bounded. */
  readonly stretchMax?: number;
  run(input: Buffer): void | Promise<void>;
}

/**
 * Hands `input` over in pieces whose lengths follow from its own octets, so that a find repeats; one input in sixteen octet by
 * octet, which is the worst cut.
 */
export function* inPieces(input: Buffer): Generator<Buffer> {
  const octetByOctet = input.length % 16 === 0;
  let state = input.length + 1;
  for (let at = 0; at < input.length;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345 + (input[at] ?? 0)) >>> 0;
    const kind = octetByOctet ? 0 : state >>> 29;
    const length = kind < 3 ? 1 : kind < 6 ? 1 + ((state >>> 16) & 15) : 1 + ((state >>> 12) & 511);
    yield input.subarray(at, at + length);
    at += length;
  }
}
