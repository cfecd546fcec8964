/**
 * What texts were read as, such as records of DNS, by the text itself. Bounded in characters: each text may have so many,
 * and all together. The oldest leave first, and those still in use soon return.
 */
export class TextCache<Value> {
  readonly #read: (text: string) => Value;
  readonly #lengthMax: number;
  readonly #lengthTotalMax: number;
  readonly #values = new Map<string, Value>();
  #lengthTotal = 0;

  /** Texts of more than `lengthMax` characters are read anew each time; one should have a tenth of `lengthTotalMax` at most. */
  constructor(
    read: (text: string) => Value,
    { lengthMax, lengthTotalMax }: { readonly lengthMax: number; readonly lengthTotalMax: number },
  ) {
    this.#read = read;
    this.#lengthMax = lengthMax;
    this.#lengthTotalMax = lengthTotalMax;
  }

  /** Characters kept. */
  get lengthTotal(): number {
    return this.#lengthTotal;
  }

  /** `isWorth`: false keeps nothing. */
  get(text: string, isWorth: (value: Value) => boolean = () => true): Value {
    const known = this.#values.get(text);
    if (known !== undefined) return known;
    const value = this.#read(text);
    if (text.length > this.#lengthMax || !isWorth(value)) return value;
    this.#values.set(text, value);
    this.#lengthTotal += text.length;
    for (const oldest of this.#values.keys()) {
      if (this.#lengthTotal <= this.#lengthTotalMax) break;
      this.#values.delete(oldest);
      this.#lengthTotal -= oldest.length;
    }
    return value;
  }
}
