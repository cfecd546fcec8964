/**
 * Reads a Content-Type field (RFC 2045 §5) for the few facts that a mail transfer agent needs: which type, and which
 * boundary. Takes what real mail has (comments, missing quotes, a stray semicolon); what cannot be read is
 * `text/plain`, the default of RFC 2045 §5.2.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { withoutComments } from "./comments.ts";

export interface ContentType {
  /** Lower case. */
  readonly type: string;
  /** Lower case. */
  readonly subtype: string;
  /** By lower-case name; the first of equal ones counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

const defaultType: ContentType = { type: "text", subtype: "plain", parameters: new Map() };
/** No known type has more than ten; the rest of a field that has is not looked at. */
const parametersMax = 64;

/** `value`: the field's unfolded value. */
export function parseContentType(value: string): ContentType {
  const text = withoutComments(value);
  const head = /^\s*([^\s;/()<>@,:\\"[\]?=]+)\s*\/\s*([^\s;/()<>@,:\\"[\]?=]+)/.exec(text);
  if (head === null) return defaultType;
  const [whole, type = "", subtype = ""] = head;
  return {
    type: asciiLowerCase(type),
    subtype: asciiLowerCase(subtype),
    parameters: parseParameters(text, whole.length),
  };
}

/**
 * One parameter, or a name without a value. It never fails behind its first character, so nothing is read twice; and it leaves
 * the separators before it to another, which passes each run of them once.
 */
const parameterPattern = /([^\s;="]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;"\s]*)))?/sy;
const separatorsPattern = /[\s;]*/y;

function parseParameters(text: string, from: number): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  let at = text.indexOf(";", from);
  while (at !== -1 && parameters.size < parametersMax) {
    separatorsPattern.lastIndex = at;
    separatorsPattern.exec(text);
    const start = separatorsPattern.lastIndex;
    parameterPattern.lastIndex = start;
    const match = parameterPattern.exec(text);
    const [, name = "", quoted, token] = match ?? [];
    const value = quoted?.replaceAll(/\\(.)/gs, "$1") ?? token;
    const key = asciiLowerCase(name);
    if (value !== undefined && !parameters.has(key)) parameters.set(key, value);
    at = text.indexOf(";", match === null ? start : parameterPattern.lastIndex);
  }
  return parameters;
}
