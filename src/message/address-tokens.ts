/** The words and signs of which address lists consist (RFC 5322 §3.2); comments and white space go here. */

export interface AddressToken {
  readonly kind: "atom" | "quoted" | "literal" | "special";
  /** Without the quotes and backslashes of a quoted string; a literal keeps its brackets. */
  readonly text: string;
  readonly spaceBefore: boolean;
  /** Index of its first character in the value. */
  readonly at: number;
}

/** What is wrong with a value, and where: the index of a character. */
export interface AddressProblem {
  readonly reason: string;
  readonly at: number;
}

/** 2,000 addresses of ordinary length. A field beyond that is refused, not read half. */
const valueLengthMax = 128 * 1024;

const blank = /[ \t\r\n]+/y;
/** atext of RFC 5322 §3.2.3, and everything beyond ASCII but C1 controls (RFC 6532 §3.2). */
const atom = /[\w!#$%&'*+\-/=?^`{|}~\u00a0-\uffff]+/y;
/** Takes an open one too, so that it never looks for an end in vain. */
const quotedString = /"((?:[^"\\]|\\[^]?)*)("?)/y;
const domainLiteral = /\[[^[\]\\\r\n]*\]/y;
const special = /[<>@,;:.]/y;
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

export function tokenizeAddresses(value: string): readonly AddressToken[] | AddressProblem {
  if (value.length > valueLengthMax) return { reason: "The field is too long", at: valueLengthMax };
  const controlAt = value.search(control);
  if (controlAt !== -1) return { reason: "The field has a control character", at: controlAt };
  const tokens: AddressToken[] = [];
  let at = 0;
  let start = 0;
  let spaceBefore = false;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(value);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  const add = (kind: AddressToken["kind"], text: string): void => {
    tokens.push({ kind, text, spaceBefore, at: start });
    spaceBefore = false;
  };
  while (at < value.length) {
    start = at;
    let match: RegExpExecArray | null;
    if (take(blank) !== null) {
      spaceBefore = true;
    } else if (value[at] === "(") {
      const end = endOfComment(value, at);
      if (end === undefined) return { reason: "A comment is not closed", at };
      at = end;
      spaceBefore = true;
    } else if ((match = take(atom)) !== null) {
      add("atom", match[0]);
    } else if ((match = take(quotedString)) !== null) {
      if (match[2] === "") return { reason: "A quoted string is not closed", at: start };
      add("quoted", (match[1] ?? "").replaceAll(/\\([^])/g, "$1"));
    } else if ((match = take(special)) !== null) {
      add("special", match[0]);
    } else if ((match = take(domainLiteral)) !== null) {
      add("literal", match[0]);
    } else {
      return { reason: "A character must be in quotes", at };
    }
  }
  return tokens;
}

/** Comments nest (RFC 5322 §3.2.2). */
function endOfComment(value: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (char === "\\") at++;
    else if (char === "(") depth++;
    else if (char === ")" && --depth === 0) return at + 1;
  }
  return undefined;
}
