/**
 * SASLprep (RFC 4013) for names and passwords, so that what a person types on two keyboards is one string. Both what is
 * stored and what is given go through it.
 *
 * Deviation: letters of left-to-right scripts (RFC 3454 table D.2, 360 ranges) are taken to be all letters outside
 * table D.1, and code points that Unicode 3.2 did not know are allowed in stored strings too.
 */

/** RFC 3454 table B.1: mapped to nothing. */
const mappedToNothing =
  /[\u{AD}\u{1806}\u{200B}-\u{200D}\u{2060}\u{FEFF}]|\u{34F}|[\u{180B}-\u{180D}]|[\u{FE00}-\u{FE0F}]/gu;
/** RFC 3454 table C.1.2: mapped to the ASCII space. */
const nonAsciiSpace = /[\u{A0}\u{1680}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}]/gu;
/** RFC 4013 §2.3: controls, private use, non-characters, surrogates, plain-text, canonical, display and tag characters (those mapped to nothing are gone by then). */
const prohibited =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u{6DD}\u{70F}\u{180E}\u{2028}\u{2029}\u{2061}-\u{2063}\u{206A}-\u{206F}\u{FFF9}-\u{FFFD}\u{1D173}-\u{1D17A}\u{2FF0}-\u{2FFB}\u{200E}\u{200F}\u{202A}-\u{202E}\u{E0001}\u{E0020}-\u{E007F}]|\u{340}|\u{341}/u;
/** RFC 3454 table D.1: characters written from right to left. */
const rightToLeft =
  /[\u{5BE}\u{5C0}\u{5C3}\u{5D0}-\u{5EA}\u{5F0}-\u{5F4}\u{61B}\u{61F}\u{621}-\u{63A}\u{640}-\u{64A}\u{66D}-\u{66F}\u{671}-\u{6D5}\u{6DD}\u{6E5}\u{6E6}\u{6FA}-\u{6FE}\u{700}-\u{70D}\u{710}\u{712}-\u{72C}\u{780}-\u{7A5}\u{7B1}\u{200F}\u{FB1D}\u{FB1F}-\u{FB28}\u{FB2A}-\u{FB36}\u{FB38}-\u{FB3C}\u{FB3E}\u{FB40}\u{FB41}\u{FB43}\u{FB44}\u{FB46}-\u{FBB1}\u{FBD3}-\u{FD3D}\u{FD50}-\u{FD8F}\u{FD92}-\u{FDC7}\u{FDF0}-\u{FDFC}\u{FE70}-\u{FE74}\u{FE76}-\u{FEFC}]/u;
const printableAscii = /^[\x20-\x7e]+$/;

/** `undefined`: the string is prohibited, or nothing is left of it (RFC 4616 §2: authentication then fails). */
export function prepareString(text: string): string | undefined {
  if (printableAscii.test(text)) return text;
  const prepared = text.replace(nonAsciiSpace, " ").replace(mappedToNothing, "").normalize("NFKC");
  if (prepared === "" || prohibited.test(prepared) || !isOneDirection(prepared)) return undefined;
  return prepared;
}

/** RFC 3454 §6: right-to-left text holds no left-to-right letter, and starts and ends with a right-to-left one. */
function isOneDirection(text: string): boolean {
  if (!rightToLeft.test(text)) return true;
  const characters = [...text];
  if (characters.some((character) => /\p{L}/u.test(character) && !rightToLeft.test(character))) return false;
  return rightToLeft.test(characters.at(0) ?? "") && rightToLeft.test(characters.at(-1) ?? "");
}
