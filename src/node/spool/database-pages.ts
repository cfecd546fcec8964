/**
 * Reads the rows of an SQLite database page by page, without SQLite: what lies on whole pages is found, whatever has
 * become of the pages above them. Which tree a page belongs to is told by the pointer map.
 */
import { Damage, rowsOn, schemaRoot, type StoredRow } from "./database-rows.ts";
import { PageImage } from "./page-image.ts";
import { PointerMap } from "./pointer-map.ts";

/** A page that should hold rows, and what is wrong with it. */
export interface BadPage {
  readonly page: number;
  readonly root: number | undefined;
  readonly reason: string;
}

/** Trees of the largest databases have five levels. */
const levelsMax = 40;

export class DatabasePages implements Disposable {
  readonly count: number;
  readonly bad: BadPage[] = [];
  readonly #image: PageImage;
  readonly #map: PointerMap;

  constructor(path: string) {
    this.#image = new PageImage(path);
    this.count = this.#image.count;
    this.#map = new PointerMap(this.#image);
  }

  [Symbol.dispose](): void {
    this.#image[Symbol.dispose]();
  }

  /** Why the end of SQLite's log must be taken as lost. */
  get logLoss(): string | undefined {
    return this.#image.logLoss;
  }

  /** All rows of all tables and indexes, in the order of pages; `step` hears of each page. */
  *rows(step: (page: number) => void = () => {}): Iterable<StoredRow> {
    for (let page = 1; page <= this.count; page++) {
      step(page);
      const root = this.rootOf(page);
      if (root === undefined) continue;
      try {
        yield* rowsOn(this.#image, page, root, (reason) => this.bad.push({ page, root, reason }));
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        this.bad.push({ page, root, reason: error.message });
      }
    }
  }

  /** The tree that the page is of; undefined: it is free, part of a long row, or of the file's own order. */
  rootOf(page: number): number | undefined {
    if (page === schemaRoot) return schemaRoot;
    let at = page;
    for (let level = 0; level < levelsMax; level++) {
      if (at === schemaRoot) return schemaRoot;
      const place = this.#map.placeOf(at);
      if (place?.kind === "root") return at;
      if (place?.kind !== "in a tree") return undefined;
      at = place.parent;
    }
    return undefined;
  }
}
