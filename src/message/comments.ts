/** Comments of structured fields (RFC 5322 §3.2.2), for readers that have no use for them. */

/** Each comment becomes a space, nested ones too; what stands within quotes is no comment. */
export function withoutComments(text: string): string {
  if (!text.includes("(")) return text;
  let out = "";
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") {
      if (depth === 0) out += text.slice(at, at + 2);
      at++;
    } else if (depth === 0 && char === '"') {
      quoted = !quoted;
      out += char;
    } else if (!quoted && char === "(") {
      depth++;
    } else if (!quoted && char === ")" && depth > 0) {
      depth--;
      if (depth === 0) out += " ";
    } else if (depth === 0) {
      out += char;
    }
  }
  return out;
}
