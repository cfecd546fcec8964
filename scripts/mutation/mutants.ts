/**
 * All mutants of one source file. A mutant changes one operator, condition or constant; everything else stays. Types, imports
 * and names of properties are never changed, since no test could see it.
 */
import { stripTypeScriptTypes } from "node:module";
// The parser that the formatter brings along.
import { parsers } from "prettier/plugins/acorn";

export type MutantKind = "condition" | "logic" | "comparison" | "arithmetic" | "number" | "boolean" | "text";

export interface Mutant {
  readonly kind: MutantKind;
  /** The part of the file that is replaced. */
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly after: string;
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** What each operator becomes: its boundary, or its opposite. */
const operators: Readonly<Record<string, readonly [MutantKind, string]>> = {
  "<": ["comparison", "<="],
  "<=": ["comparison", "<"],
  ">": ["comparison", ">="],
  ">=": ["comparison", ">"],
  "===": ["comparison", "!=="],
  "!==": ["comparison", "==="],
  "&&": ["logic", "||"],
  "||": ["logic", "&&"],
  "??": ["logic", "&&"],
  "-": ["arithmetic", "+"],
  "+": ["arithmetic", "-"],
  "*": ["arithmetic", "/"],
  "/": ["arithmetic", "*"],
  "%": ["arithmetic", "*"],
  "&": ["arithmetic", "|"],
  "|": ["arithmetic", "&"],
  "^": ["arithmetic", "&"],
  "<<": ["arithmetic", ">>"],
  ">>": ["arithmetic", "<<"],
  ">>>": ["arithmetic", "<<"],
  "+=": ["arithmetic", "-="],
  "-=": ["arithmetic", "+="],
  "++": ["arithmetic", "--"],
  "--": ["arithmetic", "++"],
};

/** Stripping leaves every character where it was, so places in the program are places in the file. */
export function mutantsOf(text: string): Mutant[] {
  const mutants: Mutant[] = [];
  const add = (kind: MutantKind, start: number, end: number, after: string) =>
    mutants.push({ kind, start, end, before: text.slice(start, end), after });
  const addCondition = (test: unknown, values: readonly string[]) => {
    if (!isNode(test) || test.type === "Literal") return;
    for (const value of values) add("condition", test.start, test.end, value);
  };
  const addOperator = (node: SyntaxNode, from: number, to: number) => {
    const operator = String(node["operator"]);
    const change = operators[operator];
    if (change === undefined || (operator.startsWith("+") && joinsTexts(node))) return;
    const at = from + text.slice(from, to).indexOf(operator);
    add(change[0], at, at + operator.length, change[1]);
  };
  const visit = (node: SyntaxNode, parent: SyntaxNode | undefined): void => {
    switch (node.type) {
      case "IfStatement":
      case "ConditionalExpression":
        addCondition(node["test"], ["true", "false"]);
        break;
      case "WhileStatement":
      case "ForStatement":
        addCondition(node["test"], ["false"]);
        break;
      case "BinaryExpression":
      case "LogicalExpression":
      case "AssignmentExpression": {
        const [left, right] = [node["left"], node["right"]] as readonly SyntaxNode[];
        if (left !== undefined && right !== undefined) addOperator(node, left.end, right.start);
        break;
      }
      case "UpdateExpression":
        addOperator(node, node.start, node.end);
        break;
      case "UnaryExpression":
        if (node["operator"] === "!") add("logic", node.start, node.start + 1, "");
        break;
      case "Literal":
        if (isValue(node, parent)) addLiteral(node);
        break;
      case "TemplateLiteral":
        if (parent?.type !== "TaggedTemplateExpression") add("text", node.start, node.end, '""');
        break;
      case "ImportDeclaration":
      case "ExportAllDeclaration":
        return;
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) visit(child, node);
    }
  };
  const addLiteral = ({ value, start, end }: SyntaxNode) => {
    if (typeof value === "number") add("number", start, end, String(value + 1));
    else if (typeof value === "boolean") add("boolean", start, end, String(!value));
    else if (typeof value === "string") add("text", start, end, value === "" ? '"mutant"' : '""');
  };
  const program = stripTypeScriptTypes(text);
  visit(parsers.acorn.parse(program, {} as Parameters<typeof parsers.acorn.parse>[1]) as SyntaxNode, undefined);
  return mutants;
}

/** As far as the syntax tells; numbers in variables are the only sums that change. */
function joinsTexts(node: SyntaxNode): boolean {
  const isText = (part: unknown): boolean =>
    isNode(part) &&
    (part.type === "TemplateLiteral" ||
      (part.type === "Literal" && typeof part["value"] === "string") ||
      (part.type === "BinaryExpression" && part["operator"] === "+" && joinsTexts(part)));
  return isText(node["left"]) || isText(node["right"]);
}

/** Not the name of a property, and not the module that an export or import names. */
function isValue(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined) return true;
  if ((parent.type === "Property" || parent.type === "PropertyDefinition") && parent["key"] === node) return false;
  if (["ExportNamedDeclaration", "ImportExpression", "ExpressionStatement"].includes(parent.type)) return false;
  return !isFormalFallback(node, parent);
}

/** `?? ""`, `?? 0` and `= ""` mostly stand where the type of an index or a match allows undefined, and the program does not. */
function isFormalFallback(node: SyntaxNode, parent: SyntaxNode): boolean {
  const isEmpty = node["value"] === "" || node["value"] === 0;
  return isEmpty && parent["right"] === node && (parent["operator"] === "??" || parent.type === "AssignmentPattern");
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}
