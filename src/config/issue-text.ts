/** Turns what zod found into sentences for people who wrote a file. */
import type { z } from "zod";
import { nearest } from "../lib/nearest.ts";

/** Words for issues that a schema gave no text of its own; zod asks for them while it validates. */
export const issueText: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type": {
      // A number of the wrong kind where a number belongs is no secret.
      const found =
        issue.expected === "int" && typeof issue.input === "number"
          ? `the fraction ${issue.input}`
          : describeValue(issue.input);
      return `expected ${wordOf(issue.expected)}, found ${found}`;
    }
    case "invalid_value":
      return `expected ${oneOf(issue.values.map(String))}, found ${foundAmong(issue.input, issue.values.map(String))}`;
    case "too_small":
      return boundText(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return boundText(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "invalid_union": {
      const { options } = issue as { readonly options?: readonly unknown[] };
      return options
        ? `expected ${oneOf(options.map(String))}, found ${foundAmong(issue.input, options.map(String))}`
        : `this kind of value is not allowed here: ${describeValue(issue.input)}`;
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

/** A slip of the pen for a known word is no secret. */
function foundAmong(given: unknown, known: readonly string[]): string {
  const suggestion = meant(given, known);
  return suggestion === "" ? describeValue(given) : `${JSON.stringify(given)}${suggestion}`;
}

/** `"a", "b" or "c"`. */
export function oneOf(words: readonly string[]): string {
  const quoted = words.map((word) => JSON.stringify(word));
  const last = quoted.pop() ?? "";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/** The form of a value, never its text: it may be a secret that was put in a wrong place. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "a text";
    case "number":
      return Number.isInteger(value) ? "a whole number" : "a fraction";
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
