/**
 * Base64 as stored credentials need it: nothing foreign, nothing missing, nothing after the padding, and no stray bits, so
 * that every octet string has exactly one spelling (RFC 4648 §3.3, §3.5). Responses on the wire are decoded by the protocol core.
 */

const grammar = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `undefined`: this is not base64 in its one correct spelling. "" decodes to nothing. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !grammar.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  // "YR==" has the octets of "YQ==": a second spelling, refused.
  return bytes.toString("base64") === text ? bytes : undefined;
}
