/** Message identifiers (RFC 5322 §3.6.4): made unique, and checked. */
import type { Instant } from "../lib/instant.ts";
import { withoutComments } from "./comments.ts";

/** Twelve random octets beside the time: two equal ids within one millisecond are as good as impossible. */
export const messageIdRandomBytes = 12;

/** `<time.random@host>`, both in base 36 or hexadecimal. `host`: our name, in A-labels. */
export function makeMessageId(parts: {
  readonly at: Instant;
  readonly random: Uint8Array;
  readonly host: string;
}): string {
  const unique = Buffer.from(parts.random).toString("hex");
  return `<${Math.trunc(parts.at).toString(36)}.${unique}@${parts.host}>`;
}

const atom = String.raw`[\w!#$%&'*+\-/=?^\x60{|}~\u0080-\u{10ffff}]+`;
const dotAtom = String.raw`${atom}(?:\.${atom})*`;
const quoted = String.raw`"(?:[^"\\\r\n]|\\[^\r\n])*"`;
const literal = String.raw`\[[^\[\]\\\s]*\]`;
export const messageIdPattern = new RegExp(`^<(?:${dotAtom}|${quoted})@(?:${dotAtom}|${literal})>$`, "u");

/** `value`: the unfolded field; comments do not count. Exactly one `<left@right>`; a quoted left side, which is obsolete, is still one. */
export function isValidMessageId(value: string): boolean {
  return value.length <= 998 && messageIdPattern.test(withoutComments(value).trim());
}
