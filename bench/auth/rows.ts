/** One line of the table, and what is asked of it. */

export type Bar =
  /** So many times better than mailauth. */
  | { readonly kind: "mailauth"; readonly times: number }
  /** Rates: at least this share of the bare operation's. Durations: at most so many times as long. */
  | { readonly kind: "bare"; readonly times: number }
  /** At least so many a second. */
  | { readonly kind: "rate"; readonly value: number };

export interface Row {
  readonly name: string;
  readonly unit: "a second" | "ms";
  readonly ours: number[];
  readonly mailauth?: number[];
  /** What the machine does without any of it: the hash, the signature, the mail path without checks. */
  readonly bare?: { readonly name: string; readonly values: number[] };
  readonly bar?: Bar;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? 0, sorted[middle] ?? 0];
  return (low + high) / 2;
}

/** How many times better than mailauth. */
export function ratioToMailauth({ unit, ours, mailauth }: Row): number | undefined {
  if (mailauth === undefined) return undefined;
  return unit === "ms" ? median(mailauth) / median(ours) : median(ours) / median(mailauth);
}

/** Ours divided by the bare operation's, whichever is better. */
export function ratioToBare({ ours, bare }: Row): number | undefined {
  return bare === undefined ? undefined : median(ours) / median(bare.values);
}

export function isMet(row: Row): boolean | undefined {
  const { bar } = row;
  switch (bar?.kind) {
    case undefined:
      return undefined;
    case "mailauth":
      return (ratioToMailauth(row) ?? 0) >= bar.times;
    case "bare": {
      const ratio = ratioToBare(row) ?? Number.NaN;
      return row.unit === "ms" ? ratio <= bar.times : ratio >= bar.times;
    }
    case "rate":
      return median(row.ours) >= bar.value;
    default:
      return bar satisfies never;
  }
}

export function barText({ unit, bar }: Row): string {
  switch (bar?.kind) {
    case undefined:
      return "";
    case "mailauth":
      return `≥ ${bar.times} × mailauth`;
    case "bare":
      return unit === "ms" ? `≤ ${bar.times} × bare` : `≥ ${bar.times} of bare`;
    case "rate":
      return `≥ ${bar.value.toLocaleString("en")}`;
    default:
      return bar satisfies never;
  }
}
