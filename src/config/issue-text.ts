/** Turns what zod found into sentences for people who wrote a file. */
import type { z } from "zod";
import { nearest } from "../lib/nearest.ts";

/** Words for issues that a schema gave no text of its own; zod asks for them while it validates. */
export const issueText: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${wordOf(issue.expected)}, found ${describeValue(issue.input)}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values.map(String))}, found ${describeValue(issue.input)}${meant(issue.input, issue.values.map(String))}`;
    case "too_small":
      return boundText(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return boundText(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "invalid_union": {
      const { options } = issue as { readonly options?: readonly unknown[] };
      return options
        ? `expected ${oneOf(options.map(String))}, found ${describeValue(issue.input)}${meant(issue.input, options.map(String))}`
        : `this form is not understood: ${describeValue(issue.input)}`;
    }
    default:
      return undefined;
  }
};

/** `; did you mean "queue"?`, or nothing when no known word is near. */
export function meant(given: unknown, known: readonly string[]): string {
  const suggestion = typeof given === "string" ? nearest(given, known) : undefined;
  return suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
}

/** `"a", "b" or "c"`. */
export function oneOf(words: readonly string[]): string {
  const quoted = words.map((word) => JSON.stringify(word));
  const last = quoted.pop() ?? "";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/** The form of a value, and its text where that is short; a long one may be a secret put in a wrong place. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return value.length <= 40 ? JSON.stringify(value) : "a long text";
    case "number":
      return Number.isInteger(value) ? `the number ${value}` : `the fraction ${value}`;
    case "boolean":
      return String(value);
    case "function":
      return "a function";
    default:
      return "a table";
  }
}

function wordOf(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: "text in quotes",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a table",
  };
  return words[expected] ?? expected;
}

function boundText(origin: string, relation: string, bound: number | bigint): string {
  if (origin === "string") return `needs ${relation} ${bound} characters`;
  if (origin === "array") return `needs ${relation} ${bound} ${bound === 1 ? "entry" : "entries"}`;
  return `must be ${relation} ${bound}`;
}
