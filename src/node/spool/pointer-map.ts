/** Which page is above each page of a tree, as the pointer map that `auto_vacuum` keeps tells ("Database File Format" §1.8). */
import { Damage, pageBytes, type PageSource } from "./database-rows.ts";

/** Where SQLite locks the file: never used. */
const lockPage = 0x40000000 / pageBytes + 1;
/** Pages that one page of the pointer map tells about, and itself. */
const mappedPages = Math.floor(pageBytes / 5) + 1;
const mapRoot = 1;
const mapTree = 5;

export type PagePlace =
  | { readonly kind: "root" }
  | { readonly kind: "in a tree"; readonly parent: number }
  /** Free, or a part of a long row. */
  | { readonly kind: "other" }
  /** It says what no pointer map says. */
  | { readonly kind: "unknown" };

export class PointerMap {
  readonly #source: PageSource;
  /** Pages of the pointer map: one in 820. */
  readonly #maps = new Map<number, Buffer | undefined>();

  constructor(source: PageSource) {
    this.#source = source;
  }

  /** undefined: the page has no place, since it is the file's first or a part of the map. */
  placeOf(page: number): PagePlace | undefined {
    if (page < 2 || page > this.#source.count || page === lockPage) return undefined;
    const first = Math.floor((page - 2) / mappedPages) * mappedPages + 2;
    const map = first === lockPage ? first + 1 : first;
    if (page <= map) return undefined;
    const bytes = this.#page(map);
    if (bytes === undefined) return { kind: "unknown" };
    const offset = 5 * (page - map - 1);
    const kind = bytes.readUInt8(offset);
    const parent = bytes.readUInt32BE(offset + 1);
    if (kind < mapRoot || kind > mapTree || parent > this.#source.count) return { kind: "unknown" };
    if (kind === mapRoot) return { kind: "root" };
    return kind === mapTree ? { kind: "in a tree", parent } : { kind: "other" };
  }

  #page(map: number): Buffer | undefined {
    if (!this.#maps.has(map)) this.#maps.set(map, this.#read(map));
    return this.#maps.get(map);
  }

  #read(map: number): Buffer | undefined {
    try {
      return this.#source.read(map);
    } catch (error) {
      if (error instanceof Damage) return undefined;
      throw error;
    }
  }
}
