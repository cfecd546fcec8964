/**
 * A place within the text of an Authentication-Results field, and what can be taken there: comments and white space,
 * signs, words and quoted strings (RFC 5322 §3.2). Every step moves forward, so reading takes linear time. What is never
 * closed makes the whole field `broken`.
 */
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
      while (isBlank(this.#text.charCodeAt(this.#at))) this.#at++;
      if (!this.at("(")) return first;
      const start = this.#at + 1;
      this.#passComment();
      first ??= unescaped(this.#text.slice(start, this.#at - 1)).trim();
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
    const parts: string[] = [];
    while (!this.atEnd && !this.at(";")) {
      if (this.at("(")) {
        this.#passComment();
        parts.push(commentMark);
      } else if (this.at('"')) {
        parts.push(this.#takeQuoted());
      } else {
        parts.push(this.takePattern(/[^;("]+/y) ?? "");
      }
    }
    const head = parts.join("");
    return {
      spaced: head.replaceAll(commentMark, " "),
      joined: head
        .trimEnd()
        .replace(/[\s\0]\d+\0*$/, "")
        .replaceAll(/[\s\0\\]+/g, ""),
    };
  }

  /** Comments nest (RFC 5322 §3.2.2). Stands behind the comment afterwards. */
  #passComment(): void {
    const text = this.#text;
    let depth = 0;
    for (let at = this.#at; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === backslash) at++;
      else if (code === open) depth++;
      else if (code === close && --depth === 0) {
        this.#at = at + 1;
        return;
      }
    }
    this.#at = text.length;
    this.broken = true;
  }

  #takeQuoted(): string {
    const start = this.#at + 1;
    for (let at = start; at < this.#text.length; at++) {
      const char = this.#text[at];
      if (char === "\\") at++;
      else if (char === '"') {
        this.#at = at + 1;
        return unescaped(this.#text.slice(start, at));
      }
    }
    this.#at = this.#text.length;
    this.broken = true;
    return "";
  }
}

/** Stands for a comment; in a field name of ours there is none. */
const commentMark = "\0";
const backslash = 0x5c;
const open = 0x28;
const close = 0x29;

/** White space of RFC 5322 §2.2.3, line ends of folding included; NaN, behind the end, is none. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}

/** Quoted pairs resolved (RFC 5322 §3.2.1). */
function unescaped(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\([^])/g, "$1") : text;
}
