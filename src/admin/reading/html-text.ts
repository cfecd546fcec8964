/** What a reader of an HTML message sees: its text, line by line, and its anchors with their text. */
import { scanHtml } from "./html-scanner.ts";

export interface Anchor {
  readonly href: string;
  /** The text in the anchor, or the alternative text of its image. */
  readonly text: string;
}

export interface HtmlContent {
  /** Lines as a browser would make them; cells of a table row stand on one line, with a tab between them. */
  readonly text: string;
  /** The same without the text in anchors. */
  readonly textOutsideAnchors: string;
  readonly anchors: readonly Anchor[];
  /** The base of relative addresses (`<base href>`). */
  readonly base: string | undefined;
}

/** A page with more anchors than this has no use for the rest. */
const anchorsMax = 2_000;
/** A button says what it does in fewer characters. */
const anchorTextMax = 200;

const lineElements = new Set(
  "address article aside blockquote center dd div dl dt fieldset figcaption figure footer form header hr li main nav pre section tbody td tfoot th thead tr".split(
    " ",
  ),
);
const paragraphElements = new Set("h1 h2 h3 h4 h5 h6 ol p table ul".split(" "));

export function readHtml(html: string): HtmlContent {
  const reader = new HtmlReader();
  for (const token of scanHtml(html)) {
    if (token.kind === "text") reader.text(token.text);
    else if (token.kind === "start") reader.start(token.name, token.attributes);
    else reader.end(token.name);
  }
  return reader.result();
}

class HtmlReader {
  readonly #all = new TextLines();
  readonly #outside = new TextLines();
  readonly #anchors: Anchor[] = [];
  #open: { readonly href: string; text: string; alternative: string } | undefined;
  #base: string | undefined;
  #preformatted = 0;

  text(text: string): void {
    if (this.#open === undefined) this.#outside.add(text, this.#preformatted > 0);
    else if (this.#open.text.length < anchorTextMax) this.#open.text += text.slice(0, anchorTextMax * 2);
    this.#all.add(text, this.#preformatted > 0);
  }

  start(name: string, attributes: ReadonlyMap<string, string>): void {
    if (name === "a" || name === "area") this.#startAnchor(attributes.get("href"), attributes.get("alt") ?? "");
    else if (name === "base") this.#base ??= attributes.get("href");
    else if (name === "img" && this.#open !== undefined) this.#open.alternative ||= attributes.get("alt") ?? "";
    else if (name === "pre") this.#preformatted++;
    this.#break(name, true);
    if (name === "area") this.#endAnchor();
  }

  end(name: string): void {
    if (name === "a") this.#endAnchor();
    if (name === "pre" && this.#preformatted > 0) this.#preformatted--;
    this.#break(name, false);
  }

  result(): HtmlContent {
    this.#endAnchor();
    return {
      text: this.#all.toString(),
      textOutsideAnchors: this.#outside.toString(),
      anchors: this.#anchors,
      base: this.#base,
    };
  }

  #startAnchor(href: string | undefined, alternative: string): void {
    this.#endAnchor();
    if (href !== undefined) this.#open = { href, text: "", alternative };
  }

  #endAnchor(): void {
    if (this.#open === undefined) return;
    const { href, text, alternative } = this.#open;
    this.#open = undefined;
    this.#outside.cell();
    if (this.#anchors.length < anchorsMax) {
      this.#anchors.push({ href, text: oneLine(text) || oneLine(alternative) });
    }
  }

  #break(name: string, start: boolean): void {
    for (const lines of [this.#all, this.#outside]) {
      if (name === "br") lines.newLine();
      else if (name === "td" || name === "th") {
        if (start) lines.cell();
      } else if (lineElements.has(name)) lines.endLine();
      else if (paragraphElements.has(name)) lines.endParagraph();
    }
    // Two lines of a button are separate words.
    if (this.#open !== undefined && (name === "br" || lineElements.has(name))) this.#open.text += " ";
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, anchorTextMax);
}

/** Collects lines: white space becomes one space, and there is never more than one empty line in a row. */
class TextLines {
  readonly #lines: string[] = [];
  #line = "";
  /** Kept here because reading the end of a growing string copies the string each time. */
  #endsInTab = false;
  #blank = false;

  add(text: string, preformatted: boolean): void {
    if (preformatted) {
      const [first = "", ...more] = text.split(/\r?\n/);
      this.#endsInTab = false;
      this.#line += first;
      for (const line of more) {
        this.newLine();
        this.#line = line;
      }
      return;
    }
    // Non-breaking spaces stay: HTML does not count them as white space.
    const words = text.replaceAll(/[ \t\r\n\f]+/g, " ");
    if (words === "") return;
    if (words === " ") {
      this.#blank = true;
      return;
    }
    if ((this.#blank || words.startsWith(" ")) && this.#line !== "" && !this.#endsInTab) this.#line += " ";
    this.#endsInTab = false;
    this.#blank = words.endsWith(" ");
    this.#line += words.slice(words.startsWith(" ") ? 1 : 0, this.#blank ? -1 : undefined);
  }

  cell(): void {
    if (this.#line !== "" && !this.#endsInTab) this.#line += "\t";
    this.#endsInTab = true;
    this.#blank = false;
  }

  endLine(): void {
    if (this.#line !== "") this.newLine();
    this.#blank = false;
  }

  endParagraph(): void {
    this.endLine();
    if (this.#lines.length > 0) this.newLine();
  }

  newLine(): void {
    const line = this.#line.trimEnd();
    this.#line = "";
    this.#endsInTab = false;
    this.#blank = false;
    if (line !== "" || this.#lines.at(-1) !== "") this.#lines.push(line);
  }

  toString(): string {
    this.endLine();
    return this.#lines.join("\n").trim();
  }
}
