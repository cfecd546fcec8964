/** What people call one of a user's keys or app passwords. */
import { AccountError } from "./account-error.ts";

const labelGrammar = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u;

/** `wanted` absent: `key-1` and so on, where `stem` is `key`. Throws {@link AccountError}. */
export function labelFor(
  wanted: string | undefined,
  stem: "key" | "app-password",
  own: readonly { readonly label: string }[],
): string {
  const taken = new Set(own.map(({ label }) => label));
  if (wanted === undefined) {
    let number = 1;
    while (taken.has(`${stem}-${number}`)) number++;
    return `${stem}-${number}`;
  }
  if (!labelGrammar.test(wanted)) {
    const code = stem === "key" ? "invalid-key" : "invalid-app-password";
    throw new AccountError(code, "a label has at most 64 letters, digits, spaces, dots, hyphens and underscores");
  }
  if (taken.has(wanted)) throw new AccountError("exists", `the user has the label ${wanted} already`);
  return wanted;
}
