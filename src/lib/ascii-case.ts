/**
 * Letter case as protocols mean it: the 26 letters of ASCII, and nothing else. `toLowerCase`, `toUpperCase` and the `i` of
 * a Unicode expression know more: they make K of U+212A (the Kelvin sign), S of U+017F (the long s), and I of the Turkish
 * dotless i, so that what was never sent would compare equal to a keyword, a host name or a signature.
 */

export function asciiLowerCase(text: string): string {
  return hasNonAscii(text) ? text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : text.toLowerCase();
}

export function asciiUpperCase(text: string): string {
  return hasNonAscii(text) ? text.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase()) : text.toUpperCase();
}

/** Whether both are the same text but for the case of ASCII letters. */
export function sameIgnoringCase(a: string, b: string): boolean {
  return a === b || (a.length === b.length && asciiLowerCase(a) === asciiLowerCase(b));
}

export function hasNonAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 127) return true;
  return false;
}
