/**
 * A place within the text of an Authentication-Results field, and what can be taken there: comments and white space,
 * signs, words and quoted strings (RFC 5322 §3.2). Every step moves forward, so reading takes linear time. What is never
 * closed makes the whole field `broken`.
 */
const commentMark = "\0";

export class ResultsCursor {
  /** A comment or a quoted string does not end. */
  broken = false;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** What lies ahead. */
  get rest(): string {
    return this.#text.slice(this.#at);
  }

  at(sign: string): boolean {
    return this.#text[this.#at] === sign;
  }

  takeSign(sign: string): boolean {
    const taken = this.at(sign);
    if (taken) this.#at++;
    return taken;
  }

  /** `pattern` is sticky. */
  takePattern(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  /** Passes white space and comments (CFWS); gives the text of the first comment. */
  skipBlanks(): string | undefined {
    let first: string | undefined;
    for (;;) {
      this.takePattern(/[ \t\r\n]+/y);
      if (!this.at("(")) return first;
      const comment = this.#takeComment();
      first ??= comment;
    }
  }

  /** A quoted string, a word, or `"quoted"@word`. A word ends at white space, `;`, a parenthesis and any of `stops`. */
  takeValue(stops: string): string | undefined {
    let value: string | undefined;
    if (this.at('"')) value = this.#takeQuoted();
    if (value !== undefined && !this.at("@")) return value;
    const start = this.#at;
    while (!this.atEnd) {
      const char = this.#text.charAt(this.#at);
      if (" \t\r\n;()".includes(char) || stops.includes(char)) break;
      this.#at++;
    }
    const word = this.#text.slice(start, this.#at);
    return word === "" && value === undefined ? undefined : (value ?? "") + word;
  }

  /**
   * Everything before the first `;` that is neither quoted nor commented, in two readings: comments as blanks, and
   * comments and blanks as nothing (a version number apart).
   */
  takeHead(): { readonly spaced: string; readonly joined: string } {
    let head = "";
    while (!this.atEnd && !this.at(";")) {
      if (this.at("(")) {
        this.#takeComment();
        head += commentMark;
      } else if (this.at('"')) {
        head += this.#takeQuoted();
      } else {
        head += this.takePattern(/[^;("]+/y) ?? "";
      }
    }
    return {
      spaced: head.replaceAll(commentMark, " "),
      joined: head
        .trimEnd()
        .replace(/[\s\0]\d+\0*$/, "")
        .replaceAll(/[\s\0\\]+/g, ""),
    };
  }

  /** Comments nest (RFC 5322 §3.2.2); gives the text between the outer parentheses, quoted pairs resolved. */
  #takeComment(): string {
    let depth = 0;
    const start = this.#at + 1;
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at];
      if (char === "\\") this.#at++;
      else if (char === "(") depth++;
      else if (char === ")" && --depth === 0) {
        this.#at++;
        return this.#text
          .slice(start, this.#at - 1)
          .replaceAll(/\\([^])/g, "$1")
          .trim();
      }
    }
    this.broken = true;
    return "";
  }

  #takeQuoted(): string {
    const start = this.#at + 1;
    for (let at = start; at < this.#text.length; at++) {
      const char = this.#text[at];
      if (char === "\\") at++;
      else if (char === '"') {
        this.#at = at + 1;
        return this.#text.slice(start, at).replaceAll(/\\([^])/g, "$1");
      }
    }
    this.#at = this.#text.length;
    this.broken = true;
    return "";
  }
}
