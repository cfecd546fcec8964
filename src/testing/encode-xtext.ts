/** What another server would send as xtext (RFC 3461 §4); this one passes on what it was given. */

/** Every octet but `!`…`*`, `,`…`<`, `>`…`~` becomes `+HH` in upper case; text outside ASCII goes by its UTF-8 octets. */
export function encodeXtext(text: string): string {
  return Array.from(Buffer.from(text), (octet) => {
    const character = String.fromCharCode(octet);
    return /[!-*,-<>-~]/.test(character) ? character : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
