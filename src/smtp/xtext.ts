/** xtext (RFC 3461 §4): printable ASCII, where "+" introduces two hexadecimal digits of any other octet. */

/** The octets, or undefined for what is not xtext. RFC 3461 wants upper-case digits; lower-case ones are read too. */
export function decodeXtext(text: string): Buffer | undefined {
  // Three characters make at most one octet more than none, so the text's length is enough.
  const octets = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === plus) {
      const digits = text.slice(index + 1, index + 3);
      if (!/^[0-9A-F]{2}$/i.test(digits)) return undefined;
      octets[length++] = Number.parseInt(digits, 16);
      index += 2;
    } else if (isXchar(code)) {
      octets[length++] = code;
    } else {
      return undefined;
    }
  }
  return octets.subarray(0, length);
}

function isXchar(code: number): boolean {
  return code > 0x20 && code < 0x7f && code !== plus && code !== equals;
}

const plus = 0x2b;
const equals = 0x3d;
