/**
 * All rows of a damaged database, tree by tree from its root. Below a page that cannot be read the pointer map leads on;
 * where that is lost as well, rows of pages that nothing leads to are given with no root, and are known by their form.
 */
import { childrenOf, Damage, layoutFault, RestDamage, rowsOn, type StoredRow } from "../spool/database-rows.ts";
import { PointerMap } from "../spool/pointer-map.ts";
import type { PageImage } from "../spool/page-image.ts";

export interface DamagedPage {
  readonly page: number;
  readonly root: number;
  readonly reason: string;
  /** The page led to others, which were found nevertheless. */
  readonly isAbove: boolean;
}

export interface FoundRow<T> {
  readonly value: T;
  /** A reason to doubt what the row says; undefined: there is none. */
  readonly doubt: string | undefined;
}

/** What a row says, if it has the form of its table; `root` undefined: of any table. */
export type Decode<T> = (row: StoredRow, root: number | undefined) => T | undefined;

interface Place {
  readonly page: number;
  readonly doubt: string | undefined;
}

export class TreeWalk<T> {
  readonly damaged: DamagedPage[] = [];
  readonly #image: PageImage;
  readonly #map: PointerMap;
  readonly #visited = new Set<number>();
  readonly #decode: Decode<T>;
  readonly #step: (done: number) => void;
  /** Pages by the one above them, as the map has it; made when it is needed. */
  #below: ReadonlyMap<number, readonly number[]> | undefined;

  constructor(image: PageImage, decode: Decode<T>, step: (done: number) => void) {
    this.#image = image;
    this.#decode = decode;
    this.#map = new PointerMap(image);
    this.#step = step;
  }

  /** The rows of one tree, each page once. */
  *rows(root: number): Iterable<FoundRow<T>> {
    const stack: Place[] = [{ page: root, doubt: undefined }];
    for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
      if (this.#visited.has(place.page)) continue;
      this.#visited.add(place.page);
      this.#step(this.#visited.size);
      const { rows, below } = this.#look(place, root);
      yield* rows;
      stack.push(...below.toReversed().filter(({ page }) => !this.#visited.has(page)));
    }
  }

  /** Rows of pages that no tree has, where the map cannot say that they are free. */
  *strays(): Iterable<FoundRow<T>> {
    for (let page = 2; page <= this.#image.count; page++) {
      if (this.#visited.has(page) || this.#map.placeOf(page)?.kind !== "unknown") continue;
      if (!this.#image.has(page)) continue;
      yield* this.#strayRows(page);
    }
  }

  *#strayRows(page: number): Iterable<FoundRow<T>> {
    const rows: FoundRow<T>[] = [];
    try {
      if (layoutFault(this.#image.read(page), page) !== undefined) return;
      for (const row of rowsOn(this.#image, page, 0, () => {})) {
        const value = this.#decode(row, undefined);
        if (value !== undefined) rows.push({ value, doubt: "nothing leads to its page" });
      }
    } catch (error) {
      // Most pages that no tree has are parts of long rows.
      if (!(error instanceof Damage)) throw error;
    }
    yield* rows;
  }

  #look(place: Place, root: number): { readonly rows: readonly FoundRow<T>[]; readonly below: readonly Place[] } {
    const { page } = place;
    const mapped = this.#mappedBelow(page).map((child): Place => ({ page: child, doubt: place.doubt }));
    const tell = (reason: string, isAbove = mapped.length > 0) => this.damaged.push({ page, root, reason, isAbove });
    try {
      const bytes = this.#image.read(page);
      const told = childrenOf(bytes, page);
      const below = told.flatMap((child) => this.#placeBelow(child, place));
      const { values, fault } = this.#rowsOf(bytes, page, root, tell);
      const doubt = place.doubt ?? (fault ? "its page is damaged" : undefined);
      const rows = values.map((value): FoundRow<T> => ({ value, doubt }));
      if (!fault && below.length === told.length) return { rows, below };
      if (!fault) tell("it leads to pages that are not below it", true);
      const known = new Set(below.map(({ page: child }) => child));
      return { rows, below: [...below, ...mapped.filter(({ page: child }) => !known.has(child))] };
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      tell(error.message);
      return { rows: [], below: mapped };
    }
  }

  /** `fault`: the page itself is damaged, so that its other rows are in doubt, too. */
  #rowsOf(
    bytes: Buffer,
    page: number,
    root: number,
    tell: (reason: string) => void,
  ): { readonly values: readonly T[]; readonly fault: boolean } {
    const values: T[] = [];
    const layout = layoutFault(bytes, page);
    if (layout !== undefined) tell(layout);
    let fault = layout !== undefined;
    const tellRow = (reason: string, error: Error): void => {
      tell(reason);
      fault ||= !(error instanceof RestDamage);
    };
    for (const row of rowsOn(this.#image, page, root, tellRow)) {
      const value = this.#decode(row, root);
      if (value !== undefined) values.push(value);
      else {
        tell("a row does not have the form of its table");
        fault = true;
      }
    }
    return { values, fault };
  }

  /**
   * The map is believed before a page, whose list may be damaged: a free page may hold what was true once. Where the map
   * knows nothing the page is believed, and where both may be wrong the child is read and doubted.
   */
  #placeBelow(child: number, { page, doubt }: Place): readonly Place[] {
    const mapped = this.#map.placeOf(child);
    if (mapped === undefined) return [];
    if (mapped.kind === "unknown" || (mapped.kind === "in a tree" && mapped.parent === page)) {
      return [{ page: child, doubt }];
    }
    if (mapped.kind !== "in a tree" || this.#tells(mapped.parent, child)) return [];
    return [{ page: child, doubt: "two pages lead to its page" }];
  }

  #tells(parent: number, child: number): boolean {
    try {
      return childrenOf(this.#image.read(parent), parent).includes(child);
    } catch (error) {
      if (error instanceof Damage || error instanceof RangeError) return false;
      throw error;
    }
  }

  #mappedBelow(page: number): readonly number[] {
    this.#below ??= this.#readMap();
    return this.#below.get(page) ?? [];
  }

  #readMap(): ReadonlyMap<number, readonly number[]> {
    const below = new Map<number, number[]>();
    for (let page = 2; page <= this.#image.count; page++) {
      if (!this.#image.has(page)) continue;
      const place = this.#map.placeOf(page);
      if (place?.kind !== "in a tree") continue;
      const known = below.get(place.parent);
      if (known === undefined) below.set(place.parent, [page]);
      else known.push(page);
    }
    return below;
  }
}
