/**
 * A TOML text as a plain value that remembers where everything stands. The parser gives a syntax tree; the value is built
 * here, on objects without a prototype, so that no key (`__proto__`) reaches anything else.
 */
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import type { Position } from "./config-problem.ts";
import { formatSettingPath, type SettingPath } from "./setting-path.ts";

/** Larger files are not configuration; the parser's tree takes some hundred times the text. */
export const configBytesMax = 4 * 1024 * 1024;

/** No setting is deeper than five; each level costs a note of the whole path. */
const depthMax = 32;
const tooDeep = `Tables and arrays may be nested ${depthMax} deep`;

export interface TomlDocument {
  readonly value: Readonly<Record<string, unknown>>;
  /** The key's place for tables and values, the value's for elements of arrays; undefined for what is not in the text. */
  positionOf(path: SettingPath): Position | undefined;
}

export class TomlSyntaxError extends Error {
  override readonly name = "TomlSyntaxError";
  readonly position: Position;
  constructor(message: string, position: Position, options?: ErrorOptions) {
    super(message, options);
    this.position = position;
  }
}

/** Throws {@link TomlSyntaxError}. TOML 1.0, with 1.1's trailing commas and line ends in inline tables. */
export function parseTomlDocument(text: string): TomlDocument {
  const positions = new Map<string, Position>();
  const note = (path: SettingPath, node: AST.TOMLNode) => {
    if (path.length > depthMax) throw new TomlSyntaxError(tooDeep, positionOfNode(node));
    const key = formatSettingPath(path);
    if (!positions.has(key)) positions.set(key, positionOfNode(node));
  };
  const root = emptyTable();
  for (const entry of parse(text).body[0].body) {
    if (entry.type === "TOMLTable") {
      const table = openTable(root, entry, note);
      for (const pair of entry.body) addPair(table, entry.resolvedKey, pair, note);
    } else {
      addPair(root, [], entry, note);
    }
  }
  return { value: root, positionOf: (path) => positions.get(formatSettingPath(path)) };
}

type Table = Record<string | number, unknown>;
type Note = (path: SettingPath, node: AST.TOMLNode) => void;

function parse(text: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { tomlVersion: "1.1" });
  } catch (error) {
    // The parser goes down by recursion.
    if (error instanceof RangeError) throw new TomlSyntaxError(tooDeep, { line: 1, column: 1 }, { cause: error });
    if (!(error instanceof ParseError)) throw error;
    const position = { line: error.lineNumber, column: error.column + 1 };
    throw new TomlSyntaxError(error.message, position, { cause: error });
  }
}

/** The table that a header names; `resolvedKey` has the indexes of arrays of tables. */
function openTable(root: Table, { key, resolvedKey }: AST.TOMLTable, note: Note): Table {
  let table = root;
  let keysSeen = 0;
  for (const [depth, part] of resolvedKey.entries()) {
    if (typeof part === "string") keysSeen++;
    note(resolvedKey.slice(0, depth + 1), key.keys[keysSeen - 1] ?? key);
    const next = resolvedKey[depth + 1];
    table[part] ??= typeof next === "number" ? [] : emptyTable();
    table = table[part] as Table;
  }
  return table;
}

/** Adds `a.b = value`, making the tables of a dotted key. */
function addPair(table: Table, prefix: SettingPath, { key, value }: AST.TOMLKeyValue, note: Note): void {
  const path = [...prefix];
  let target = table;
  for (const [index, part] of key.keys.entries()) {
    const name = part.type === "TOMLBare" ? part.name : part.value;
    path.push(name);
    note(path, part);
    if (index === key.keys.length - 1) {
      target[name] = plainValue(value, path, note);
    } else {
      target[name] ??= emptyTable();
      target = target[name] as Table;
    }
  }
}

function plainValue(node: AST.TOMLContentNode, path: SettingPath, note: Note): unknown {
  switch (node.type) {
    case "TOMLArray":
      return node.elements.map((element, index) => {
        note([...path, index], element);
        return plainValue(element, [...path, index], note);
      });
    case "TOMLInlineTable": {
      const table = emptyTable();
      for (const pair of node.body) addPair(table, path, pair, note);
      return table;
    }
    case "TOMLValue":
      return node.value;
    default:
      return node satisfies never;
  }
}

function emptyTable(): Table {
  return Object.create(null) as Table;
}

function positionOfNode(node: AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
