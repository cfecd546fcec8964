/** Writes the Received-SPF field (RFC 7208 §9.1). Whatever the client chose for its names, it is one field. */
import { commentText, quotedText } from "./safe-text.ts";

export interface ReceivedSpfFacts {
  /** `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`. */
  readonly result: string;
  readonly identity: "mailfrom" | "helo";
  /** For people. */
  readonly comment: string;
  /** Textual IP address. */
  readonly clientAddress: string;
  /** As received, without angle brackets; "" is the null reverse-path. */
  readonly reversePath: string;
  /** Argument of EHLO or HELO as given. */
  readonly hello: string;
  /** Our name, in A-labels. */
  readonly receiver: string;
}

/** RFC 5322 §2.1.1. */
const lineLength = 78;
const dotAtom = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;
/** Longest domain (RFC 5321 §4.5.3.1.2). */
const dotAtomLengthMax = 255;

/** One folded field with its CRLF, to stand above our own Received field. */
export function formatReceivedSpf(facts: ReceivedSpfFacts): string {
  const words = commentText(facts.comment).split(" ");
  const pairs = [
    ["client-ip", facts.clientAddress],
    ["envelope-from", facts.reversePath],
    ["helo", facts.hello],
    ["receiver", facts.receiver],
    ["identity", facts.identity],
  ] as const;
  words.push(...pairs.map(([key, value], index) => `${key}=${word(value)}${index < pairs.length - 1 ? ";" : ""}`));
  let field = `Received-SPF: ${facts.result}`;
  let used = field.length;
  for (const next of words) {
    const folded = used + 1 + next.length > lineLength;
    field += folded ? `\r\n\t${next}` : ` ${next}`;
    used = (folded ? 8 : used + 1) + next.length;
  }
  return `${field}\r\n`;
}

function word(value: string): string {
  return value.length <= dotAtomLengthMax && dotAtom.test(value) ? value : quotedText(value);
}
