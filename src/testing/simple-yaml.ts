/**
 * Reads the YAML in which published test suites come (SPF, ARC): documents, block mappings and sequences, block, plain
 * and quoted scalars, flow sequences of scalars. No anchors, tags, flow mappings or complex keys. Every scalar is a
 * string, an empty one null. Throws on what it does not know, so that no case goes missing in silence.
 */
export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };

/** The documents of a file, in their order. */
export function parseYamlDocuments(text: string): readonly Yaml[] {
  const documents: string[][] = [[]];
  for (const line of text.split(/\r?\n/)) {
    if (/^---(?:\s|$)/.test(line)) documents.push([]);
    else documents.at(-1)?.push(line);
  }
  return documents.map((lines) => new Reader(lines).document()).filter((document) => document !== null);
}

/** A value that must be a mapping. */
export function yamlMap(value: Yaml | undefined): { readonly [key: string]: Yaml } {
  if (value === undefined || value === null) return {};
  if (typeof value === "string" || Array.isArray(value)) throw new Error("not a mapping");
  return value as { readonly [key: string]: Yaml };
}

/** A value that must be a scalar; "" for an empty one. */
export function yamlText(value: Yaml | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new Error("not a scalar");
  return value;
}

/** A sequence as it is; a single value as a sequence of one; nothing as none. */
export function yamlList(value: Yaml | undefined): readonly Yaml[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as readonly Yaml[]) : [value];
}

/** `key: value`, the key plain or quoted. */
const entryPattern =
  /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#[{|>&*!%@`-](?:[^:]|:(?=\S))*?|-(?=\S)(?:[^:]|:(?=\S))*?)\s*:(?:\s+(.*))?$/;

class Reader {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  document(): Yaml {
    const value = this.#block(0);
    if (this.#peek() !== undefined) throw new Error(`unexpected: ${this.#peek()}`);
    return value;
  }

  /** The next line that is neither empty nor a comment; stays where it is. */
  #peek(): string | undefined {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      if (!/^\s*(?:#.*)?$/.test(line)) return line;
    }
    return undefined;
  }

  /** What lies at `indentMin` or deeper. */
  #block(indentMin: number): Yaml {
    const line = this.#peek();
    if (line === undefined || indentOf(line) < indentMin) return null;
    const indent = indentOf(line);
    if (/^-(?:\s|$)/.test(line.slice(indent))) return this.#sequence(indent);
    if (entryPattern.test(line.slice(indent))) return this.#mapping(indent);
    this.#at++;
    return this.#scalar(line.trim(), indent - 1);
  }

  #sequence(indent: number): readonly Yaml[] {
    const items: Yaml[] = [];
    for (let line = this.#peek(); line !== undefined && indentOf(line) === indent; line = this.#peek()) {
      const item = /^-(\s+|$)(.*)$/.exec(line.slice(indent));
      if (item === null) break;
      const [, gap = "", rest = ""] = item;
      if (rest === "") {
        this.#at++;
        items.push(this.#block(indent + 1));
      } else if (entryPattern.test(rest)) {
        items.push(this.#mapping(indent + 1 + gap.length, rest));
      } else {
        this.#at++;
        items.push(this.#scalar(rest, indent));
      }
    }
    return items;
  }

  /** `first`: the first entry, where it stands behind the dash of a sequence. */
  #mapping(indent: number, first?: string): Yaml {
    const entries: Record<string, Yaml> = {};
    for (let line = this.#peek(); line !== undefined; line = this.#peek()) {
      const text = first ?? (indentOf(line) === indent ? line.slice(indent) : "");
      first = undefined;
      const entry = entryPattern.exec(text);
      if (entry === null) break;
      const [, key = "", value = ""] = entry;
      const name = unquote(key);
      if (Object.hasOwn(entries, name)) throw new Error(`twice: ${name}`);
      this.#at++;
      const nothing = value === "" || value.startsWith("#");
      entries[name] = nothing ? this.#value(indent) : this.#scalar(value, indent);
    }
    return entries;
  }

  /** Behind a key: deeper lines, or a sequence that is not indented. */
  #value(indent: number): Yaml {
    const line = this.#peek();
    const flat = line !== undefined && indentOf(line) === indent && /^-(?:\s|$)/.test(line.slice(indent));
    return this.#block(flat ? indent : indent + 1);
  }

  /** `text` begins it; lines deeper than `indent` go on with it. */
  #scalar(text: string, indent: number): Yaml {
    const block = /^([|>])([+-]?)\s*$/.exec(text);
    if (block !== null) return this.#blockScalar(block[1] === ">", block[2] ?? "", indent);
    let whole = text;
    if (text.startsWith('"') || text.startsWith("'") || text.startsWith("[")) {
      while (!isClosed(whole)) whole += ` ${this.#next(whole).trim()}`;
      whole = whole.replace(/\s+#.*$/, "").trim();
      return whole.startsWith("[") ? flowSequence(whole) : unquote(whole);
    }
    whole = withoutComment(text);
    for (let line = this.#peek(); line !== undefined && indentOf(line) > indent; line = this.#peek()) {
      whole += ` ${withoutComment(line.trim())}`;
      this.#at++;
    }
    return whole === "~" || whole === "null" ? null : whole;
  }

  #next(started: string): string {
    const line = this.#lines[this.#at++];
    if (line === undefined) throw new Error(`never closed: ${started}`);
    return line;
  }

  #blockScalar(folded: boolean, chomping: string, parentIndent: number): string {
    const lines: string[] = [];
    let indent = -1;
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      const blank = line.trim() === "";
      if (!blank && indent === -1) indent = indentOf(line);
      if (!blank && (indentOf(line) < indent || indentOf(line) <= parentIndent)) break;
      lines.push(indent === -1 ? "" : line.slice(indent));
    }
    while (lines.at(-1) === "") lines.pop();
    const text = folded ? fold(lines) : lines.join("\n");
    return chomping === "-" || text === "" ? text : `${text}\n`;
  }
}

/** Line ends become spaces, empty lines line ends; lines that are indented further keep theirs. */
function fold(lines: readonly string[]): string {
  let text = "";
  let previous = "";
  let empty = 0;
  for (const line of lines) {
    if (line === "") {
      empty++;
      continue;
    }
    const keeps = /^\s/.test(line) || /^\s/.test(previous);
    if (text !== "") text += keeps ? "\n".repeat(empty + 1) : empty > 0 ? "\n".repeat(empty) : " ";
    text += line;
    previous = line;
    empty = 0;
  }
  return text;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function withoutComment(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, "").trim();
}

function isClosed(text: string): boolean {
  if (text.startsWith("[")) return /\]\s*(?:#.*)?$/.test(text);
  return text.startsWith('"') ? /^"(?:[^"\\]|\\.)*"\s*(?:#.*)?$/.test(text) : /^'(?:[^']|'')*'\s*(?:#.*)?$/.test(text);
}

function flowSequence(text: string): readonly Yaml[] {
  const items = text.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\s][^,]*/g) ?? [];
  return items.map((item) => unquote(item.trim()));
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "0": "\0", a: "\x07", e: "\x1b" };

function unquote(text: string): string {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (!text.startsWith('"')) return text;
  return text
    .slice(1, -1)
    .replaceAll(/\\(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|(.))/g, (_, two?: string, four?: string, one?: string) =>
      one === undefined ? String.fromCharCode(Number.parseInt(two ?? four ?? "0", 16)) : (escapes[one] ?? one),
    );
}
