/**
 * As much YAML as the published SPF test suite uses: documents, block mappings and lists, flow lists, quoted, plain and
 * block scalars. No anchors, tags or types: every scalar is a string. For trusted files in tests only.
 */
export type YamlValue = string | readonly YamlValue[] | { readonly [key: string]: YamlValue };

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** The documents between lines of "---". */
export function readYamlDocuments(text: string): YamlValue[] {
  return text
    .split(/^---$/m)
    .map((document) => new BlockReader(linesOf(document)).read(0))
    .filter((value) => typeof value !== "string");
}

function linesOf(document: string): Line[] {
  return document
    .split("\n")
    .map((line) => ({ indent: line.search(/\S|$/), text: line.trim() }))
    .filter(({ text }) => text !== "" && !text.startsWith("#"));
}

class BlockReader {
  readonly #lines: readonly Line[];
  #at = 0;

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  /** The block whose lines are indented by at least `indent`. */
  read(indent: number): YamlValue {
    const first = this.#lines[this.#at];
    if (first === undefined || first.indent < indent) return "";
    return first.text.startsWith("- ") ? this.#list(first.indent) : this.#mapping(first.indent);
  }

  #list(indent: number): YamlValue[] {
    const items: YamlValue[] = [];
    for (let line = this.#lines[this.#at]; line?.indent === indent && line.text.startsWith("- ");) {
      this.#at++;
      const item = line.text.slice(2).trim();
      const pair = pairOf(item);
      items.push(pair === undefined ? scalar(item) : { [pair.key]: this.#value(pair.value, indent) });
      line = this.#lines[this.#at];
    }
    return items;
  }

  #mapping(indent: number): YamlValue {
    const entries: Record<string, YamlValue> = {};
    for (let line = this.#lines[this.#at]; line?.indent === indent; line = this.#lines[this.#at]) {
      const pair = pairOf(line.text);
      if (pair === undefined) throw new SyntaxError(`no mapping: ${line.text}`);
      this.#at++;
      entries[pair.key] = this.#value(pair.value, indent);
    }
    return entries;
  }

  /** What stands behind a colon, with the lines that belong to it. */
  #value(text: string, indent: number): YamlValue {
    const next = this.#lines[this.#at];
    if (text === "") return next !== undefined && next.indent >= indent ? this.#nested(indent) : "";
    const rest: string[] = [];
    for (let line = next; line !== undefined && line.indent > indent; line = this.#lines[++this.#at]) {
      rest.push(line.text);
    }
    if (/^[>|]-?$/.test(text)) return rest.join(text.startsWith("|") ? "\n" : " ");
    return scalar([text, ...rest].join(" "));
  }

  /** A list may stand at the indentation of its key. */
  #nested(indent: number): YamlValue {
    const isList = this.#lines[this.#at]?.text.startsWith("- ") === true;
    return this.read(isList ? indent : indent + 1);
  }
}

function pairOf(text: string): { key: string; value: string } | undefined {
  const found = /^("(?:[^"\\]|\\.)*"|[^"'[\]\s](?:[^:]|:(?! |$))*):(?: +(.*))?$/.exec(text);
  if (found === null) return undefined;
  const key = scalar(found[1] ?? "");
  return typeof key === "string" ? { key, value: found[2] ?? "" } : undefined;
}

function scalar(text: string): YamlValue {
  if (text.startsWith("[")) {
    const inner = text.slice(1, -1).trim();
    return inner === ""
      ? []
      : [...inner.matchAll(/"(?:[^"\\]|\\.)*"|'[^']*'|[^,\s][^,]*/g)].map(([part]) => scalar(part));
  }
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replaceAll(/\\(x[0-9a-fA-F]{2}|.)/g, (_, escape: string) => {
    if (escape.startsWith("x")) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return { "0": "\0", n: "\n", t: "\t" }[escape] ?? escape;
  });
}
