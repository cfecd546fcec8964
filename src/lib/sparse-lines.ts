/** When a line about something that happens often is due: at once, then once in a while with how often it happened. */
export class SparseLines<Key> {
  readonly #everyMs: number;
  readonly #told = new Map<Key, { readonly atMs: number; untold: number }>();

  /** There must be few keys: each is kept. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Counts one; how many happened since the last line, if a line is due now. `nowMs` is monotonic. */
  note(key: Key, nowMs: number): number | undefined {
    const last = this.#told.get(key);
    if (last !== undefined && nowMs - last.atMs < this.#everyMs) {
      last.untold++;
      return undefined;
    }
    this.#told.set(key, { atMs: nowMs, untold: 0 });
    return 1 + (last?.untold ?? 0);
  }
}
