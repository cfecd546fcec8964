/**
 * Reads the rows of one page of an SQLite database, without SQLite. Follows "Database File Format" of the SQLite
 * documentation; the sections named are there.
 */
import { isUtf8 } from "node:buffer";

export type Value = null | number | string | Uint8Array;

export interface StoredRow {
  readonly page: number;
  /** First page of the row's table. */
  readonly root: number;
  /** undefined: of a table without row ids, or of an index. */
  readonly rowid: number | undefined;
  readonly values: readonly Value[];
}

/** Where pages come from. */
export interface PageSource {
  readonly count: number;
  /** Throws {@link Damage} where the page is not there. */
  read(page: number): Buffer;
}

export const pageBytes = 4096;
export const schemaRoot = 1;
const tableLeaf = 13;
const indexLeaf = 10;
const indexInterior = 2;
const tableInterior = 5;
const pageKinds: readonly number[] = [tableLeaf, indexLeaf, indexInterior, tableInterior];

export class Damage extends Error {}
/** Of a long row the part on its own page is whole, the rest is not. */
export class RestDamage extends Damage {}

/** The rows of a page. A cell that is damaged is told, and the others are read. Throws {@link Damage}. */
export function* rowsOn(
  source: PageSource,
  page: number,
  root: number,
  tell: (reason: string, error: Error) => void,
): Iterable<StoredRow> {
  const bytes = source.read(page);
  const { kind, cells, pointers } = headerOf(bytes, page);
  if (kind === tableInterior) return;
  for (let cell = 0; cell < cells; cell++) {
    let row: StoredRow | undefined;
    try {
      const cursor = new Cursor(bytes, cellStart(bytes, pointers, cell) + (kind === indexInterior ? 4 : 0));
      const size = cursor.varint();
      const rowid = kind === tableLeaf ? cursor.varint() : undefined;
      const record = payload(source, bytes, { start: cursor.at, size, ofTable: kind === tableLeaf });
      row = { page, root, rowid, values: valuesOf(record) };
    } catch (error) {
      if (!(error instanceof Damage) && !(error instanceof RangeError)) throw error;
      tell(`row ${cell + 1} of ${cells}: ${error.message}`, error);
    }
    if (row !== undefined) yield row;
  }
}

/** The pages below one, as it says itself; none of a leaf. Throws {@link Damage}. */
export function childrenOf(bytes: Buffer, page: number): readonly number[] {
  const { kind, cells, pointers, start } = headerOf(bytes, page);
  if (kind === tableLeaf || kind === indexLeaf) return [];
  const children: number[] = [];
  for (let cell = 0; cell < cells; cell++) {
    const at = cellStart(bytes, pointers, cell);
    if (at + 4 <= pageBytes) children.push(bytes.readUInt32BE(at));
  }
  return [...children, bytes.readUInt32BE(start + 8)];
}

/**
 * Why a page of a tree cannot be as SQLite wrote it, though parts of it can be read: cells, free blocks and fragments fill
 * the space behind its pointers, and nothing lies in two of them (§1.6). Throws {@link Damage}.
 */
export function layoutFault(bytes: Buffer, page: number): string | undefined {
  const { kind, cells, pointers, start } = headerOf(bytes, page);
  const content = bytes.readUInt16BE(start + 5) || pageBytes;
  const spans: [from: number, to: number][] = [];
  try {
    for (let cell = 0; cell < cells; cell++) {
      const at = cellStart(bytes, pointers, cell);
      spans.push([at, at + cellBytes(bytes, at, kind)]);
    }
    for (let block = bytes.readUInt16BE(start + 1); block !== 0;) {
      spans.push([block, block + bytes.readUInt16BE(block + 2)]);
      const next = bytes.readUInt16BE(block);
      if (next !== 0 && next <= block) return "its free blocks are not in order";
      block = next;
    }
  } catch (error) {
    if (!(error instanceof Damage) && !(error instanceof RangeError)) throw error;
    return "a row of it cannot be read";
  }
  let end = content;
  let unused = 0;
  for (const [from, to] of spans.toSorted(([a], [b]) => a - b)) {
    if (from < end || to > pageBytes) return "two of its rows overlap";
    unused += from - end;
    end = to;
  }
  unused += pageBytes - end;
  if (pointers + 2 * cells > content) return "its rows begin within their list";
  return unused === bytes.readUInt8(start + 7) ? undefined : "its rows do not fill it";
}

interface Header {
  readonly kind: number;
  readonly cells: number;
  /** Where the list of cells begins. */
  readonly pointers: number;
  /** Where the header itself begins. */
  readonly start: number;
}

function headerOf(bytes: Buffer, page: number): Header {
  const start = page === schemaRoot ? 100 : 0;
  const kind = bytes.readUInt8(start);
  if (!pageKinds.includes(kind)) throw new Damage("it is no page of a tree");
  const cells = bytes.readUInt16BE(start + 3);
  const pointers = start + (kind === indexInterior || kind === tableInterior ? 12 : 8);
  if (pointers + 2 * cells > pageBytes) throw new Damage(`it says that it has ${cells} rows`);
  return { kind, cells, pointers, start };
}

function cellStart(bytes: Buffer, pointers: number, cell: number): number {
  return bytes.readUInt16BE(pointers + 2 * cell);
}

/** What a cell takes on its own page; SQLite gives none less than four. */
function cellBytes(bytes: Buffer, start: number, kind: number): number {
  const cursor = new Cursor(bytes, kind === indexInterior || kind === tableInterior ? start + 4 : start);
  const size = cursor.varint();
  if (kind === tableInterior) return cursor.at - start;
  if (kind === tableLeaf) cursor.varint();
  const local = localBytes(size, kind === tableLeaf);
  return Math.max(4, cursor.at - start + local + (local < size ? 4 : 0));
}

/** How much of a row is on its own page (§1.6, "Cell Payload Overflow Pages"). */
function localBytes(size: number, ofTable: boolean): number {
  const localMax = ofTable ? pageBytes - 35 : Math.floor(((pageBytes - 12) * 64) / 255) - 23;
  if (size <= localMax) return size;
  const localMin = Math.floor(((pageBytes - 12) * 32) / 255) - 23;
  const wanted = localMin + ((size - localMin) % (pageBytes - 4));
  return wanted <= localMax ? wanted : localMin;
}

/** What does not fit on the page goes on in others (§1.6, "Overflow pages"). */
function payload(
  source: PageSource,
  bytes: Buffer,
  { start, size, ofTable }: { readonly start: number; readonly size: number; readonly ofTable: boolean },
): Buffer {
  const local = localBytes(size, ofTable);
  if (local === size) return within(bytes, start, size);
  if (size > source.count * pageBytes) throw new Damage(`it says that it has ${size} octets`);
  const parts = [within(bytes, start, local)];
  let left = size - local;
  let next = bytes.readUInt32BE(start + local);
  while (left > 0) {
    if (next < 2 || next > source.count) throw new RestDamage("the rest of a long row is not there");
    const more = readRest(source, next);
    const part = more.subarray(4, 4 + Math.min(left, pageBytes - 4));
    // Content ends with CRLF and JSON with a bracket: a disk that has lost the page gives zeros.
    const isEnd = part.length === left && part.length >= emptyBytes;
    if (isEnd && part.every((octet) => octet === 0)) throw new RestDamage("its end is empty");
    parts.push(part);
    left -= part.length;
    next = more.readUInt32BE(0);
  }
  if (next !== 0) throw new RestDamage("the rest of a long row does not end where it should");
  return Buffer.concat(parts);
}

function readRest(source: PageSource, page: number): Buffer {
  try {
    return source.read(page);
  } catch (error) {
    throw error instanceof Damage ? new RestDamage(`the rest of a long row: ${error.message}`) : error;
  }
}

/** Fewer zeros at the end of a row may be a part of it. */
const emptyBytes = 16;

function within(bytes: Buffer, start: number, size: number): Buffer {
  if (start + size > bytes.length) throw new Damage("it ends after its page");
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
  if (type >= 12 && type % 2 === 0) return Uint8Array.from(bytes);
  if (type >= 12) return isUtf8(bytes) ? bytes.toString("utf8") : bad("a text is not UTF-8");
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
