/** Command lines (RFC 5321 §4.1.1): verb and argument, and the arguments that are not addresses. */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { endOfText, trimBlanks } from "../lib/trim-blanks.ts";

export const verbs = [
  "HELO",
  "EHLO",
  "LHLO",
  "MAIL",
  "RCPT",
  "DATA",
  "BDAT",
  "RSET",
  "NOOP",
  "QUIT",
  "VRFY",
  "EXPN",
  "HELP",
  "STARTTLS",
  "AUTH",
  "XCLIENT",
] as const;
export type Verb = (typeof verbs)[number];

export interface Command {
  /** Undefined: not one of ours. */
  readonly verb: Verb | undefined;
  /** What follows the verb, without the white space around it. */
  readonly argument: string;
}

const known: ReadonlyMap<string, Verb> = new Map(verbs.map((verb) => [verb, verb]));

/** `line` is without its CRLF. White space at its end is tolerated (RFC 5321 §4.1.1). */
export function parseCommand(line: string): Command {
  const space = line.indexOf(" ");
  const word = space === -1 ? line.slice(0, endOfText(line)) : line.slice(0, space);
  const argument = space === -1 ? "" : trimBlanks(line.slice(space + 1));
  // No verb has more than eight letters; longer words need no folding of their case.
  return { verb: word.length > 8 ? undefined : (known.get(word) ?? known.get(asciiUpperCase(word))), argument };
}

/**
 * The argument of MAIL or RCPT without blanks behind its first colon. Deviation: they are tolerated, tabs too, since many
 * programs send them, and they change no meaning.
 */
export function withoutBlanksAfterColon(argument: string): string {
  const start = argument.indexOf(":") + 1;
  const next = argument.charAt(start);
  return next === " " || next === "\t" ? argument.slice(0, start) + trimBlanks(argument.slice(start)) : argument;
}

/** The text behind `FROM:` or `TO:`, or undefined. */
export function pathTextOf(argument: string, keyword: "FROM:" | "TO:"): string | undefined {
  const { length } = keyword;
  if (argument.length <= length) return undefined;
  if (asciiUpperCase(argument.slice(0, length)) !== keyword) return undefined;
  return argument.slice(length);
}

export interface Chunk {
  readonly size: number;
  readonly last: boolean;
}

/** `chunk-size [SP "LAST"]` of BDAT (RFC 3030 §2). Sizes that a number cannot hold exactly are refused. */
export function parseChunk(argument: string): Chunk | undefined {
  const match = /^([0-9]{1,16})(?: +(LAST))?$/i.exec(argument);
  const size = Number(match?.[1] ?? Number.NaN);
  return Number.isSafeInteger(size) ? { size, last: match?.[2] !== undefined } : undefined;
}

/**
 * What a line that is no command was meant to bring: a message's octets may follow it all the same. `chunk`: at once, and
 * nobody knows how many. `data`: only from a client that does not wait for the reply.
 */
export function announcedContent(line: string): "chunk" | "data" | undefined {
  const word = asciiUpperCase(/^[ \t]*(BDAT|DATA)/i.exec(line)?.[1] ?? "");
  return word === "" ? undefined : word === "BDAT" ? "chunk" : "data";
}

/** Control characters have no place in any command (RFC 5321 §4.1.2). */
export function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
