/**
 * Character sets by the names that mail uses. `TextDecoder` knows the labels of the WHATWG Encoding Standard; mail also puts
 * them in quotation marks and uses other separators, vendors' prefixes and code page numbers.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";

/** No name in use is longer. */
const labelLengthMax = 64;

/** Labels by the names without prefix and separators. A name that is not listed is a label itself or has no decoder. */
const aliases: ReadonlyMap<string, string> = new Map(
  [
    ["utf-8", "utf utf8 utf8mb3 utf8mb4 utf8bom utf8sig utf8n unicode11utf8 unicode20utf8 cp65001"],
    ["windows-1252", "latin1 isolatin1 ansi ascii usascii iso646us ansix341968 ansix341986 cp367 cp819"],
    ["windows-1252", "88591 iso88591 iso885911987 iso8859 885911987"],
    ["iso-8859-15", "latin9 latin0 isolatin9 iso885915 885915"],
    ["iso-8859-16", "latin10 iso885916 iso8859162001 885916"],
    ["iso-8859-6", "iso88596i iso88596e"],
    ["iso-8859-8", "iso88598e"],
    ["iso-8859-8-i", "iso88598i 88598i"],
    ["shift_jis", "shiftjis sjis mskanji pck windows31j shiftjisx0213 cp932 cp943 cp943c sjiswin"],
    ["euc-jp", "eucjp ujis eucjpms eucjpwin cp51932 cp20932 eucpkdfmtjapanese"],
    ["iso-2022-jp", "iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jp2004 iso2022jpms jis jis7 junet cp50220 cp50221 cp50222"],
    ["gbk", "gb2312 gb231280 gbk gb euccn eucch cp936 iso58gb231280 gb23121980 chinese"],
    ["gb18030", "gb18030 gb180302000 gb180302005 cp54936"],
    ["big5", "big5 big5hkscs big5eten big5hkscs2004 cnbig5 cp950 xbig5"],
    ["euc-kr", "euckr ksc5601 ksc56011987 ksc56011989 ksc56011992 ksx1001 ks56011987 uhc cp949 korean mskorean"],
    ["windows-874", "tis620 tis6200 tis62025291 iso885911 cp874"],
    ["koi8-r", "koi koi8 koi8r cp20866"],
    ["koi8-u", "koi8u koi8ru cp21866"],
    ["ibm866", "cp866 msdoscyrillic dos866"],
    ["macintosh", "mac macroman cp10000 applemacroman"],
    ["x-mac-cyrillic", "maccyrillic macukrainian cp10007"],
    ["utf-16le", "utf16 utf16le ucs2 unicode iso10646ucs2 cp1200"],
    ["utf-16be", "utf16be unicodefffe cp1201"],
  ]
    // The first of two entries counts.
    .toReversed()
    .flatMap(([label = "", names = ""]) => names.split(" ").map((name): [string, string] => [name, label])),
); // prettier-ignore

const decoders = new Map<string, TextDecoder>();

/** The label by which `TextDecoder` knows a character set, or undefined where it has none for it. */
export function charsetLabel(name: string): string | undefined {
  return decoderOf(name)?.encoding;
}

/** Undefined when no decoder is known for the name. Octets that the character set does not have become U+FFFD. */
export function decodeCharset(octets: Uint8Array, name: string): string | undefined {
  return decoderOf(name)?.decode(octets);
}

function decoderOf(name: string): TextDecoder | undefined {
  if (name.length > labelLengthMax) return undefined;
  // The language after an asterisk (RFC 2231 §5) does not matter here; no label contains quotation marks.
  const label = asciiLowerCase((name.split("*")[0] ?? "").replaceAll(/["'`;,\s]/g, ""));
  return tryDecoder(label) ?? tryDecoder(commonLabel(label));
}

function commonLabel(label: string): string {
  const bare = label.replace(/^(?:x-)+(?:ms-|mac-)?|^cs(?=[a-z]*\d)/, "").replaceAll(/[^a-z0-9]/g, "");
  const [, page] = /^(?:windows|win|cp|ms|ansi|ibm)(\d{3,5})$/.exec(bare) ?? [];
  const alias = aliases.get(page === undefined ? bare : `cp${page}`);
  if (alias !== undefined) return alias;
  if (page !== undefined) return `windows-${page}`;
  const [, part] = /^(?:iso)?8859(1[0-6]|[2-9])(?:\d{4})?$/.exec(bare) ?? [];
  if (part !== undefined) return `iso-8859-${part}`;
  const [, latin] = /^(?:iso)?latin([2-8])$/.exec(bare) ?? [];
  return latin === undefined ? bare : `latin${latin}`;
}

/** Keeps only labels that exist, so invented names take no memory. */
function tryDecoder(label: string): TextDecoder | undefined {
  const known = decoders.get(label);
  if (known !== undefined) return known;
  try {
    const decoder = new TextDecoder(label);
    decoders.set(label, decoder);
    return decoder;
  } catch {
    return undefined;
  }
}
