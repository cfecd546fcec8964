/** ORCPT as it stands in a report (RFC 3461 §4.2, RFC 6533 §3): decoded from what the command line needed. */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { decodeXtext } from "../smtp/xtext.ts";

/** `rfc822; bob@example.org`, `utf-8; 你@example.org`. What does not conform to its type is passed on unaltered. */
export function originalRecipientField(parameter: string): string {
  const semicolon = parameter.indexOf(";");
  if (semicolon === -1) return parameter;
  const type = parameter.slice(0, semicolon);
  const encoded = parameter.slice(semicolon + 1);
  const address = asciiLowerCase(type) === "utf-8" ? decodeUnitext(encoded) : decodeAsciiXtext(encoded);
  return `${type}; ${address ?? encoded}`;
}

/** xtext as printable ASCII, which is all that a type other than utf-8 may hold. */
export function decodeAsciiXtext(text: string): string | undefined {
  const octets = decodeXtext(text);
  return octets?.every((octet) => octet >= 0x20 && octet < 0x7f) ? octets.toString("latin1") : undefined;
}

const unitextEscape = /\\x\{([0-9a-f]{2,6})\}/gi;

function decodeUnitext(text: string): string | undefined {
  let valid = true;
  const decoded = text.replaceAll(unitextEscape, (_, hex: string) => {
    const point = Number.parseInt(hex, 16);
    // Controls, and halves of surrogate pairs, are no characters of an address.
    valid &&=
      point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) && point >= 0x20 && (point < 0x7f || point > 0x9f);
    return valid ? String.fromCodePoint(point) : "";
  });
  if (!valid || decoded.includes("\\x{")) return undefined;
  return decoded === "" ? undefined : decoded;
}
