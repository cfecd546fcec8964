/** Text for people: wrapped, indented, and free of what a peer or a sender could have put into it. */
import { printable } from "../lib/printable-text.ts";

const widthMax = 72;
/** A word beyond this is cut: lines end well below 998 octets whatever is quoted. */
const wordLengthMax = 200;

/** Lines with CRLF. */
export function paragraph(text: string, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of visible(text).split(" ").flatMap(cutWord)) {
    if (line !== "" && indent.length + line.length + 1 + word.length > widthMax) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((each) => `${indent}${each}\r\n`).join("");
}

/**
 * One line of ordinary characters: controls, line separators and the marks that turn the direction of text, with which an
 * address can be made to look like another, become spaces.
 */
export function visible(text: string): string {
  return printable(text.toWellFormed(), " ").replaceAll(/ +/g, " ").trim();
}

function cutWord(word: string): readonly string[] {
  if (word.length <= wordLengthMax) return [word];
  const characters = [...word];
  const pieces: string[] = [];
  for (let at = 0; at < characters.length; at += wordLengthMax) {
    pieces.push(characters.slice(at, at + wordLengthMax).join(""));
  }
  return pieces;
}
