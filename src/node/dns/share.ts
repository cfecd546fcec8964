/**
 * A tree of shares in a limited number of things: whoever has the least at work is next, at every level, in constant time.
 * A share has either shares of its own or waiters. What is shared, and for how long anyone waits, is `dns-turns.ts`'s.
 */

/** One that waits at a share without shares of its own. */
export interface Waiter {
  readonly share: Share;
  /** It is its turn: true; or it has waited in vain: false. */
  readonly settle: (granted: boolean) => void;
}

/** Children looked at to find the one that waits the most: enough to find a flood, few enough to cost nothing. */
const lookedAtMax = 32;

export class Share {
  readonly #parent: Share | undefined;
  /** This share and those above it. */
  readonly #lineage: readonly Share[];
  readonly #key: string | object | undefined;
  readonly #max: number;
  readonly #children = new Map<string | object, Share>();
  readonly #waiters = new Set<Waiter>();
  /** Children that may go on, by how many they have at work. */
  readonly #ready: Set<Share>[] = [];
  /** Where the parent has this one among its ready ones. */
  #filedAt: number | undefined;
  #running = 0;
  #waiting = 0;

  /** `max`: at work at once, in this share and below it. */
  constructor(max: number, parent?: Share, key?: string | object) {
    this.#max = max;
    this.#parent = parent;
    this.#key = key;
    this.#lineage = [this, ...(parent === undefined ? [] : parent.#lineage)];
  }

  get running(): number {
    return this.#running;
  }

  /** Waiters here and below. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Children, kept only while something is at work or waits in them. */
  get size(): number {
    return this.#children.size;
  }

  child(key: string | object, max: number): Share {
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const made = new Share(max, this, key);
    this.#children.set(key, made);
    return made;
  }

  /** Nothing here or above stands in the way of one more. */
  get hasRoom(): boolean {
    return this.#running < this.#max && (this.#parent?.hasRoom ?? true);
  }

  /** Begins one more; {@link end} must follow. */
  begin(): void {
    for (const share of this.#lineage) share.#running++;
    this.#refile();
  }

  end(): void {
    for (const share of this.#lineage) share.#running--;
    this.#refile();
  }

  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
    for (const share of this.#lineage) share.#waiting++;
    this.#refile();
  }

  stopWaiting(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    for (const share of this.#lineage) share.#waiting--;
    this.#refile();
  }

  /** The waiter whose turn it is; undefined: nobody may go on. */
  next(): Waiter | undefined {
    if (this.#running >= this.#max) return undefined;
    for (const children of this.#ready) {
      for (const child of children) return child.next();
    }
    return this.#waiters.values().next().value;
  }

  /** The newest waiter of the share that waits the most, as far as a look at some of them tells. */
  heaviest(): Waiter | undefined {
    let found: Share | undefined;
    let looked = 0;
    for (const [key, child] of this.#children) {
      if (looked++ === lookedAtMax) break;
      // Those that were looked at go to the end, so that all are looked at in time.
      this.#children.delete(key);
      this.#children.set(key, child);
      if (child.#waiting > (found === undefined ? 0 : found.#waiting)) found = child;
    }
    return found === undefined ? [...this.#waiters].at(-1) : found.heaviest();
  }

  /** Puts this share and those above it where they belong by now. */
  #refile(): void {
    for (const share of this.#lineage) {
      const parent = share.#parent;
      if (parent === undefined) return;
      const ready =
        share.#running < share.#max && (share.#waiters.size > 0 || share.#ready.some(({ size }) => size > 0));
      const place = ready ? share.#running : undefined;
      if (place !== share.#filedAt) {
        if (share.#filedAt !== undefined) parent.#ready[share.#filedAt]?.delete(share);
        if (place !== undefined) parent.#readyWith(place).add(share);
        share.#filedAt = place;
      }
      if (share.#running === 0 && share.#waiting === 0 && share.#key !== undefined) parent.#children.delete(share.#key);
    }
  }

  #readyWith(running: number): Set<Share> {
    while (this.#ready.length <= running) this.#ready.push(new Set());
    return this.#ready[running] ?? new Set();
  }
}
