/**
 * Reads the rows of an SQLite database page by page, without SQLite: what lies on whole pages is found, whatever has
 * become of the pages above them. Which tree a page belongs to is told by the pointer map that `auto_vacuum` keeps.
 * Follows "Database File Format" of the SQLite documentation; the sections named are there.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export type Value = null | number | string | Uint8Array;

export interface StoredRow {
  readonly page: number;
  /** First page of the row's table. */
  readonly root: number;
  /** undefined: of a table without row ids, or of an index. */
  readonly rowid: number | undefined;
  readonly values: readonly Value[];
}

/** A page that should hold rows, and what is wrong with it. */
export interface BadPage {
  readonly page: number;
  readonly root: number | undefined;
  readonly reason: string;
}

export const PAGE_BYTES = 4096;
const SCHEMA_ROOT = 1;
/** Where SQLite locks the file: never used. */
const LOCK_PAGE = 0x40000000 / PAGE_BYTES + 1;
/** Pages that one page of the pointer map tells about, and itself (§1.8). */
const MAPPED = Math.floor(PAGE_BYTES / 5) + 1;
const MAP_ROOT = 1;
const MAP_TREE = 5;
const TABLE_LEAF = 13;
const INDEX_LEAF = 10;
const INDEX_INTERIOR = 2;
const TABLE_INTERIOR = 5;
/** Trees of the largest databases have five levels. */
const LEVELS_MAX = 40;

class Damage extends Error {}

export class DatabasePages implements Disposable {
  readonly count: number;
  readonly bad: BadPage[] = [];
  readonly #file: number;
  /** Pages of the pointer map: one in 820. */
  readonly #maps = new Map<number, Buffer>();

  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.count = Math.floor(fstatSync(this.#file).size / PAGE_BYTES);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  /** All rows of all tables and indexes, in the order of pages; `step` hears of each page. */
  *rows(step: (page: number) => void = () => {}): Iterable<StoredRow> {
    for (let page = 1; page <= this.count; page++) {
      step(page);
      const root = this.rootOf(page);
      if (root === undefined) continue;
      try {
        yield* this.#rowsOn(page, root);
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        this.bad.push({ page, root, reason: error.message });
      }
    }
  }

  /** The tree that the page is of; undefined: it is free, part of a long row, or of the file's own order. */
  rootOf(page: number): number | undefined {
    if (page === SCHEMA_ROOT) return SCHEMA_ROOT;
    let at = page;
    for (let level = 0; level < LEVELS_MAX; level++) {
      if (at === SCHEMA_ROOT) return SCHEMA_ROOT;
      const entry = this.#mapped(at);
      if (entry?.kind === MAP_ROOT) return at;
      if (entry?.kind !== MAP_TREE) return undefined;
      at = entry.parent;
    }
    return undefined;
  }

  #mapped(page: number): { readonly kind: number; readonly parent: number } | undefined {
    if (page < 2 || page > this.count || page === LOCK_PAGE) return undefined;
    const first = Math.floor((page - 2) / MAPPED) * MAPPED + 2;
    const map = first === LOCK_PAGE ? first + 1 : first;
    if (page <= map) return undefined;
    const bytes = this.#maps.get(map) ?? this.#read(map);
    this.#maps.set(map, bytes);
    const offset = 5 * (page - map - 1);
    return { kind: bytes.readUInt8(offset), parent: bytes.readUInt32BE(offset + 1) };
  }

  #read(page: number): Buffer {
    const bytes = Buffer.alloc(PAGE_BYTES);
    readSync(this.#file, bytes, 0, PAGE_BYTES, (page - 1) * PAGE_BYTES);
    return bytes;
  }

  /** §1.6. A cell that is damaged is told, and the others of its page are read. */
  *#rowsOn(page: number, root: number): Iterable<StoredRow> {
    const bytes = this.#read(page);
    const header = page === SCHEMA_ROOT ? 100 : 0;
    const kind = bytes.readUInt8(header);
    if (kind === TABLE_INTERIOR) return;
    if (kind !== TABLE_LEAF && kind !== INDEX_LEAF && kind !== INDEX_INTERIOR)
      throw new Damage("it is no page of a tree");
    const cells = bytes.readUInt16BE(header + 3);
    const pointers = header + (kind === INDEX_INTERIOR ? 12 : 8);
    if (pointers + 2 * cells > PAGE_BYTES) throw new Damage(`it says that it has ${cells} rows`);
    for (let cell = 0; cell < cells; cell++) {
      let row: StoredRow | undefined;
      try {
        row = this.#row(bytes, bytes.readUInt16BE(pointers + 2 * cell), kind, page, root);
      } catch (error) {
        if (!(error instanceof Damage) && !(error instanceof RangeError)) throw error;
        this.bad.push({ page, root, reason: `row ${cell + 1} of ${cells}: ${error.message}` });
      }
      if (row !== undefined) yield row;
    }
  }

  #row(bytes: Buffer, start: number, kind: number, page: number, root: number): StoredRow {
    const cursor = new Cursor(bytes, kind === INDEX_INTERIOR ? start + 4 : start);
    const size = cursor.varint();
    const rowid = kind === TABLE_LEAF ? cursor.varint() : undefined;
    const record = this.#payload(bytes, cursor.at, size, kind === TABLE_LEAF);
    return { page, root, rowid, values: valuesOf(record) };
  }

  /** What does not fit on the page goes on in others (§1.6, "Overflow pages"). */
  #payload(bytes: Buffer, start: number, size: number, ofTable: boolean): Buffer {
    const localMax = ofTable ? PAGE_BYTES - 35 : Math.floor(((PAGE_BYTES - 12) * 64) / 255) - 23;
    if (size <= localMax) return within(bytes, start, size);
    if (size > this.count * PAGE_BYTES) throw new Damage(`it says that it has ${size} octets`);
    const localMin = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
    const wanted = localMin + ((size - localMin) % (PAGE_BYTES - 4));
    const local = wanted <= localMax ? wanted : localMin;
    const parts = [within(bytes, start, local)];
    let left = size - local;
    for (let next = bytes.readUInt32BE(start + local); left > 0;) {
      if (next < 2 || next > this.count) throw new Damage("the rest of a long row is not there");
      const more = this.#read(next);
      parts.push(more.subarray(4, 4 + Math.min(left, PAGE_BYTES - 4)));
      left -= PAGE_BYTES - 4;
      next = more.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }
}

function within(bytes: Buffer, start: number, size: number): Buffer {
  if (start + size > bytes.length) throw new Damage("it ends behind its page");
  return bytes.subarray(start, start + size);
}

/** §2.1. */
function valuesOf(record: Buffer): readonly Value[] {
  const header = new Cursor(record, 0);
  const headerEnd = header.varint();
  if (headerEnd > record.length) throw new Damage("its header is longer than itself");
  const values: Value[] = [];
  let at = headerEnd;
  while (header.at < headerEnd) {
    const type = header.varint();
    const size = sizeOf(type);
    values.push(valueOf(within(record, at, size), type));
    at += size;
  }
  if (at !== record.length) throw new Damage("its length is not that of its values");
  return values;
}

function sizeOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? bad(`there is no value of type ${type}`);
}

function valueOf(bytes: Buffer, type: number): Value {
  if (type >= 12) return type % 2 === 0 ? Uint8Array.from(bytes) : bytes.toString("utf8");
  if (type === 0) return null;
  if (type === 7) return bytes.readDoubleBE(0);
  if (type >= 8) return type - 8;
  return bytes.length === 8 ? Number(bytes.readBigInt64BE(0)) : bytes.readIntBE(0, bytes.length);
}

function bad(reason: string): never {
  throw new Damage(reason);
}

class Cursor {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** One to nine octets, seven bits of each. Numbers here are far below what a double holds. */
  varint(): number {
    let value = 0;
    for (let octets = 1; octets <= 9; octets++) {
      const octet = this.#bytes[this.at++] ?? bad("a number has no end");
      if (octets === 9) return value * 256 + octet;
      value = value * 128 + (octet & 0x7f);
      if (octet < 0x80) break;
    }
    return value;
  }
}
