/**
 * Reads a regular expression into a tree, as far as its running time needs: what is one character stays source text, which
 * the engine itself is asked about.
 */

export type Expression =
  /** One character: a literal, an escape, a class or the dot, as written. */
  | { readonly kind: "character"; readonly source: string }
  | { readonly kind: "sequence"; readonly parts: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | { readonly kind: "repeat"; readonly body: Expression; readonly min: number; readonly max: number }
  /** `^`, `$`, `\b`, `\B`. */
  | { readonly kind: "assertion"; readonly source: string }
  | { readonly kind: "look"; readonly behind: boolean; readonly body: Expression }
  | { readonly kind: "reference" };

const emptyExpression: Expression = { kind: "sequence", parts: [] };

/** @throws SyntaxError for what no engine takes, and for modifiers within groups, which nothing here uses. */
export function parseExpression(pattern: string, flags: string): Expression {
  const parser = new Parser(pattern, /[uv]/.test(flags));
  const expression = parser.choice();
  if (!parser.atEnd) throw new SyntaxError(`unbalanced: ${pattern}`);
  return expression;
}

class Parser {
  readonly #pattern: string;
  readonly #unicode: boolean;
  #at = 0;

  constructor(pattern: string, unicode: boolean) {
    this.#pattern = pattern;
    this.#unicode = unicode;
  }

  get atEnd(): boolean {
    return this.#at >= this.#pattern.length;
  }

  choice(): Expression {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    return options.length === 1 ? (options[0] ?? emptyExpression) : { kind: "choice", options };
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (!this.atEnd && !this.#sees("|") && !this.#sees(")")) parts.push(this.#quantified(this.#atom()));
    return parts.length === 1 ? (parts[0] ?? emptyExpression) : { kind: "sequence", parts };
  }

  #quantified(body: Expression): Expression {
    const match = /(?:([*+?])|\{(\d{1,4})(,?)(\d{0,4})\})\??/y;
    match.lastIndex = this.#at;
    const found = match.exec(this.#pattern);
    if (found === null) return body;
    this.#at = match.lastIndex;
    const [, sign, low = "0", comma, high = ""] = found;
    if (sign !== undefined) {
      return { kind: "repeat", body, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Number.POSITIVE_INFINITY };
    }
    const min = Number(low);
    const max = comma === "" ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    return { kind: "repeat", body, min, max };
  }

  #atom(): Expression {
    const char = this.#pattern.charAt(this.#at);
    if (char === "(") return this.#group();
    if (char === "[") return this.#class();
    if (char === "\\") return this.#escape();
    this.#at += 1;
    if (char === "^" || char === "$") return { kind: "assertion", source: char };
    const point = this.#pattern.codePointAt(this.#at - 1) ?? 0;
    if (!this.#unicode || point <= 0xffff) return { kind: "character", source: char };
    this.#at += 1;
    return { kind: "character", source: String.fromCodePoint(point) };
  }

  #group(): Expression {
    const opening = /\((?:\?(?:[:=!]|<[=!]|<\w+>))?/y;
    opening.lastIndex = this.#at;
    const [open = "("] = opening.exec(this.#pattern) ?? [];
    this.#at += open.length;
    if (open === "(" && this.#sees("?")) throw new SyntaxError(`modifiers: ${this.#pattern}`);
    const body = this.choice();
    if (!this.#take(")")) throw new SyntaxError(`unbalanced: ${this.#pattern}`);
    return /[=!]$/.test(open) ? { kind: "look", behind: open.includes("<"), body } : body;
  }

  #class(): Expression {
    const start = this.#at;
    let depth = 0;
    do {
      const char = this.#pattern.charAt(this.#at);
      // Brackets nest only under the v flag, which nothing here uses.
      if (char === "[" && depth === 0) depth++;
      else if (char === "]") depth--;
      this.#at += char === "\\" ? 2 : 1;
    } while (depth > 0 && !this.atEnd);
    return { kind: "character", source: this.#pattern.slice(start, this.#at) };
  }

  #escape(): Expression {
    const escape = /\\(?:u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[^}]*\}|c[A-Za-z]|k<\w+>|[1-9]|[^])/y;
    escape.lastIndex = this.#at;
    const [source = "\\"] = escape.exec(this.#pattern) ?? [];
    this.#at += source.length;
    if (/^\\[bB]$/.test(source)) return { kind: "assertion", source };
    if (/^\\(?:k<|[1-9])/.test(source)) return { kind: "reference" };
    return { kind: "character", source };
  }

  #sees(char: string): boolean {
    return this.#pattern.charAt(this.#at) === char;
  }

  #take(char: string): boolean {
    if (!this.#sees(char)) return false;
    this.#at += 1;
    return true;
  }
}
