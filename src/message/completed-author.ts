/**
 * Authors without a domain, as cron and other programs of a machine write them: `root (Cron Daemon)`, `Cron <root>`. Who
 * submits them has logged in, so the author is known: the login's address, with the name that was given.
 */
import { hasNonAscii } from "../lib/ascii-case.ts";
import { tokenizeAddresses } from "./address-tokens.ts";

/** With the rest of the field it still fits a line (RFC 5322 §2.1.1). */
const nameLengthMax = 200;

/**
 * The value of a From or Sender field with `address` in the place of its only mailbox, if that has no domain; undefined for
 * every other value.
 */
export function completedAuthor(value: string, address: string): string | undefined {
  if (value.length > nameLengthMax || hasNonAscii(value)) return undefined;
  const tokens = tokenizeAddresses(value);
  if (!("length" in tokens)) return undefined;
  const bracket = tokens.findIndex(({ kind, text }) => kind === "special" && text === "<");
  const local = bracket === -1 ? tokens : tokens.slice(bracket + 1, -1);
  const name = bracket === -1 ? [] : tokens.slice(0, bracket);
  const [only] = local;
  if (local.length !== 1 || (only?.kind !== "atom" && only?.kind !== "quoted")) return undefined;
  if (bracket === -1) return `"${value.replaceAll(/["\\]/g, "\\$&")}" <${address}>`;
  const last = tokens.at(-1);
  if (last?.kind !== "special" || last.text !== ">" || name.some(({ kind }) => kind === "special")) return undefined;
  return `${value.slice(0, tokens[bracket]?.at)}<${address}>${value.slice(last.at + 1)}`;
}
