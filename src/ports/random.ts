/** Chance as an argument, so that a seed decides everything in a simulation. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Cryptographically strong in production. */
  bytes(length: number): Uint8Array;
}
