/**
 * Which blocks of src/ an input reaches: modules are given a counter in every branch while they load, so that the answer is
 * there after each input and costs one look at an octet for each block that runs. Only modules loaded after
 * {@link countBlocks} was called are counted.
 */
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
// The parser that the formatter brings along; nothing else here needs one.
import { parsers } from "prettier/plugins/acorn";

/** src/ has a few ten thousand; what is behind is not counted. */
const blocksMax = 1 << 17;

export class BlockCoverage {
  /** 1: reached. */
  readonly reached = new Uint8Array(blocksMax);
  /** Blocks reached for the first time since it was last set to 0. */
  fresh = 0;
  /** Blocks reached since the last {@link clear}. */
  total = 0;
  /** Blocks that loaded modules have. */
  known = 0;

  /** Forgets what was reached. */
  clear(): void {
    this.reached.fill(0);
    this.fresh = 0;
    this.total = 0;
  }

  /** Called by the modules. */
  readonly first = (block: number): void => {
    this.reached[block] = 1;
    this.fresh++;
    this.total++;
  };
}

/** From here on, modules of `src/` that are loaded count; helpers of tests do not. */
export function countBlocks(): BlockCoverage {
  const coverage = new BlockCoverage();
  Object.assign(globalThis, { blockCoverage: coverage });
  instrument("const {reached:reached$,first:first$}=globalThis.blockCoverage;", () => {
    const block = coverage.known < blocksMax ? coverage.known++ : blocksMax - 1;
    return `reached$[${block}]||first$(${block})`;
  });
  return coverage;
}

/**
 * From here on, modules of `src/` that are loaded begin with `head`, and evaluate what `count` gives at the beginning of each
 * block; helpers of tests do not. `libraries`: nor do others, but for those.
 */
export function instrument(head: string, count: () => string, libraries?: RegExp): void {
  const source = new URL("../../src/", import.meta.url).href;
  registerHooks({
    load(url, context, next) {
      if (libraries?.test(url) === true) {
        const loaded = next(url, context);
        const text =
          typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
        return { ...loaded, source: head + withCounters(text, count) };
      }
      if (!url.startsWith(source) || url.startsWith(`${source}testing/`) || !url.endsWith(".ts")) {
        return next(url, context);
      }
      const text = stripTypeScriptTypes(readFileSync(fileURLToPath(url), "utf8"));
      return { format: "module", shortCircuit: true, source: head + withCounters(text, count) };
    },
  });
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** The same program, and no line begins elsewhere. */
export function withCounters(text: string, count: () => string): string {
  const insertions: { readonly at: number; readonly order: number; readonly text: string }[] = [];
  const insert = (at: number, piece: string) => insertions.push({ at, order: insertions.length, text: piece });

  const expression = (node: SyntaxNode) => {
    insert(node.start, `(${count()},`);
    visit(node);
    insert(node.end, ")");
  };
  const statement = (node: SyntaxNode) => {
    if (node.type === "BlockStatement") {
      insert(node.start + 1, `${count()};`);
      visit(node);
      return;
    }
    insert(node.start, `{${count()};`);
    visit(node);
    insert(node.end, "}");
  };
  const visit = (node: SyntaxNode): void => {
    const branches = new Set<unknown>();
    const branch = (part: unknown, how: (node: SyntaxNode) => void) => {
      if (!isNode(part)) return;
      branches.add(part);
      how(part);
    };
    const children = () => {
      for (const value of Object.values(node)) {
        for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
          if (isNode(child) && !branches.has(child)) visit(child);
        }
      }
    };
    switch (node.type) {
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        branch(node["body"], node["expression"] === true ? expression : statement);
        break;
      case "CatchClause":
      case "ForStatement":
      case "ForOfStatement":
      case "ForInStatement":
      case "WhileStatement":
      case "DoWhileStatement":
        branch(node["body"], statement);
        break;
      case "IfStatement":
        branch(node["consequent"], statement);
        branch(node["alternate"], statement);
        // The way past counts as a branch too.
        if (!isNode(node["alternate"])) insert(node.end, `else{${count()}}`);
        break;
      case "SwitchCase": {
        const [first] = node["consequent"] as readonly SyntaxNode[];
        insert(first?.start ?? node.end, `${count()};`);
        break;
      }
      case "ConditionalExpression":
        branch(node["consequent"], expression);
        branch(node["alternate"], expression);
        break;
      case "LogicalExpression":
        branch(node["right"], expression);
        break;
      case "AssignmentExpression":
        if (["||=", "&&=", "??="].includes(String(node["operator"]))) branch(node["right"], expression);
        break;
    }
    children();
  };
  visit(parsers.acorn.parse(text, {} as Parameters<typeof parsers.acorn.parse>[1]) as SyntaxNode);

  let result = "";
  let at = 0;
  for (const insertion of insertions.toSorted((a, b) => a.at - b.at || a.order - b.order)) {
    result += text.slice(at, insertion.at) + insertion.text;
    at = insertion.at;
  }
  return result + text.slice(at);
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}
