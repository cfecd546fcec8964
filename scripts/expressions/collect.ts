/** Finds in a source file what reads text in ways that a check must know of: regular expressions, and changes of letter case. */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
// The parser that the formatter brings along; nothing else here needs one.
import { parsers } from "prettier/plugins/acorn";

export type TextUse =
  | { readonly kind: "expression"; readonly line: number; readonly pattern: string; readonly flags: string }
  /** `new RegExp`: what it is made of is known when it runs. */
  | { readonly kind: "made-expression"; readonly line: number; readonly code: string }
  | { readonly kind: "letter-case"; readonly line: number; readonly code: string };

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export function textUsesOf(file: string): TextUse[] {
  const source = readFileSync(file, "utf8");
  // Types are blanked, so that lines and columns stay.
  const text = stripTypeScriptTypes(source);
  const uses: TextUse[] = [];
  const visit = (node: SyntaxNode): void => {
    const use = useOf(node, text);
    if (use !== undefined) uses.push(use);
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) visit(child);
    }
  };
  visit(parsers.acorn.parse(text, {} as Parameters<typeof parsers.acorn.parse>[1]) as SyntaxNode);
  return uses;
}

const caseMethods = new Set(["toLowerCase", "toUpperCase", "toLocaleLowerCase", "toLocaleUpperCase", "localeCompare"]);

function useOf(node: SyntaxNode, text: string): TextUse | undefined {
  const line = () => text.slice(0, node.start).split("\n").length;
  const code = () => text.slice(node.start, node.end).replaceAll(/\s+/g, " ");
  if (node.type === "Literal" && isObject(node["regex"])) {
    const { pattern, flags } = node["regex"];
    return { kind: "expression", line: line(), pattern: String(pattern), flags: String(flags) };
  }
  if (node.type === "NewExpression" || node.type === "CallExpression") {
    const callee = node["callee"];
    if (isNode(callee) && callee.type === "Identifier" && callee["name"] === "RegExp") {
      return { kind: "made-expression", line: line(), code: code() };
    }
  }
  // Also where it is only named, to be called by another: `["toLowerCase"]` is nobody's habit.
  if (
    node.type === "MemberExpression" &&
    isNode(node["property"]) &&
    caseMethods.has(String(node["property"]["name"]))
  ) {
    return { kind: "letter-case", line: line(), code: code() };
  }
  return undefined;
}

function isNode(value: unknown): value is SyntaxNode {
  return isObject(value) && typeof value["type"] === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
