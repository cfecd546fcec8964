/**
 * Reads XML that programs of strangers wrote, as a row of elements and texts, in one pass over the text. Attributes,
 * comments and processing instructions are passed over. Slips that leave no doubt about the elements (a bare `&`, a stray
 * `<`, characters before or after the root) are told and read over; anything else stops the reading with a
 * {@link XmlError}. Entities are never declared, fetched or expanded beyond the five of XML 1.0 §4.6.
 */

export interface XmlHandler {
  open(name: string): void;
  /** Decoded. An element's text may come in several pieces. */
  text(text: string): void;
  close(): void;
  /** A phrase without a capital or full stop. */
  problem(text: string): void;
}

/** What ends the reading, as a phrase. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

/** Of one piece of text; the rest of it is dropped unread. */
const pieceMax = 8000;

export function readXml(source: string, handler: XmlHandler): void {
  const open: string[] = [];
  let rootSeen = false;
  const start = source.startsWith("\ufeff") ? 1 : 0;
  for (let at = start; at < source.length;) {
    const sign = source.indexOf("<", at);
    const textEnd = sign === -1 ? source.length : sign;
    if (textEnd > at) takeText(source.slice(at, Math.min(textEnd, at + pieceMax)), open.length > 0, handler);
    if (sign === -1) break;
    const mark = markAt(source, sign);
    at = mark.end;
    switch (mark.kind) {
      case "skipped":
        if (mark.declaration && sign > start) handler.problem("the XML declaration is not at the beginning");
        break;
      case "characters":
        if (open.length > 0) handler.text(mark.text.slice(0, pieceMax));
        break;
      case "stray":
        handler.problem("a < that begins no element");
        if (open.length > 0) handler.text("<");
        break;
      case "open":
        if (open.length === 0 && rootSeen) return handler.problem("what follows the root element is not read");
        rootSeen = true;
        handler.open(mark.name);
        if (mark.empty) handler.close();
        else open.push(mark.name);
        break;
      case "close": {
        const expected = open.pop();
        if (expected !== mark.name) {
          const found = `</${mark.name.slice(0, 60)}>`;
          throw new XmlError(
            expected === undefined
              ? `the XML is broken: ${found} ends nothing`
              : `the XML is broken: ${found} stands where </${expected.slice(0, 60)}> should`,
          );
        }
        handler.close();
        break;
      }
      default:
        mark satisfies never;
    }
  }
  if (open.length > 0) throw new XmlError(`the XML is broken: it is cut off within <${open.at(-1)?.slice(0, 60)}>`);
  if (!rootSeen) throw new XmlError("the XML has no element");
}

function takeText(text: string, within: boolean, handler: XmlHandler): void {
  if (within) handler.text(decodeReferences(text, handler));
  else if (/[^\s\0]/.test(text)) handler.problem("there are characters outside the root element");
}

type Mark =
  | { readonly kind: "skipped"; readonly end: number; readonly declaration: boolean }
  | { readonly kind: "characters"; readonly end: number; readonly text: string }
  | { readonly kind: "stray"; readonly end: number }
  | { readonly kind: "open"; readonly end: number; readonly name: string; readonly empty: boolean }
  | { readonly kind: "close"; readonly end: number; readonly name: string };

/** XML 1.0 §2.3, with everything beyond ASCII allowed. */
const nameChar = /[\w:.\u0080-\uffff-]/;
const tagPattern = /<(\/?)([A-Za-z_:\u0080-\uffff][\w:.\u0080-\uffff-]*)(?=[\s/>])/y;

/** `sign`: where a `<` stands. */
function markAt(source: string, sign: number): Mark {
  if (source.startsWith("<!--", sign))
    return { kind: "skipped", end: endOf(source, "-->", sign + 4), declaration: false };
  if (source.startsWith("<![CDATA[", sign)) {
    const end = endOf(source, "]]>", sign + 9);
    return { kind: "characters", end, text: source.slice(sign + 9, end - 3) };
  }
  if (source.startsWith("<?", sign)) {
    const declaration = source.startsWith("<?xml", sign) && !nameChar.test(source.charAt(sign + 5));
    return { kind: "skipped", end: endOf(source, "?>", sign + 2), declaration };
  }
  if (source.startsWith("<!DOCTYPE", sign))
    return { kind: "skipped", end: endOfDoctype(source, sign), declaration: false };
  tagPattern.lastIndex = sign;
  const [whole, slash, name] = tagPattern.exec(source) ?? [];
  if (whole === undefined || name === undefined) return { kind: "stray", end: sign + 1 };
  const end = endOfTag(source, sign + whole.length);
  if (slash === "/") return { kind: "close", end, name };
  return { kind: "open", end, name, empty: source.charAt(end - 2) === "/" };
}

/** Behind `what`. */
function endOf(source: string, what: string, from: number): number {
  const found = source.indexOf(what, from);
  if (found === -1) throw new XmlError(`the XML is broken: ${what} is missing`);
  return found + what.length;
}

/** A `>` within quotes does not end a tag (XML 1.0 §3.1). */
function endOfTag(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === ">") return at + 1;
    if (char === '"' || char === "'") at = endOf(source, char, at + 1) - 1;
  }
  throw new XmlError("the XML is broken: it is cut off within a tag");
}

/** No report needs declarations of its own: they are there to do harm (XML 1.0 §4.1). */
function endOfDoctype(source: string, from: number): number {
  const end = source.indexOf(">", from);
  if (end === -1) throw new XmlError("the XML is broken: > is missing");
  if (source.slice(from, end).includes("["))
    throw new XmlError("the XML has declarations (an entity, an element) of its own");
  return end + 1;
}

const entities: ReadonlyMap<string, string> = new Map([
  ["lt", "<"],
  ["gt", ">"],
  ["amp", "&"],
  ["quot", '"'],
  ["apos", "'"],
]);
const reference = /&(?:#(\d{1,7});|#x([\da-fA-F]{1,6});|([A-Za-z][\w.-]{0,40});)?/g;
/** What XML 1.0 §2.2 leaves out, lone surrogates included. */
const forbidden = /[\0-\b\v\f\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

function decodeReferences(text: string, handler: XmlHandler): string {
  const decoded = text.includes("&") ? text.replaceAll(reference, (whole, ...groups) => decode(whole, groups)) : text;
  if (decoded.search(forbidden) === -1) return decoded;
  handler.problem("there are characters that XML does not allow");
  return decoded.replaceAll(forbidden, "\ufffd");

  function decode(whole: string, [decimal, hex, name]: readonly unknown[]): string {
    if (typeof name === "string") {
      const known = entities.get(name);
      if (known === undefined) handler.problem(`the entity ${whole} is not known`);
      return known ?? whole;
    }
    const code =
      typeof decimal === "string" ? Number(decimal) : typeof hex === "string" ? Number.parseInt(hex, 16) : -1;
    if (code === -1) handler.problem("a bare &");
    else if (code > 0x10ffff) handler.problem(`${whole} is no character`);
    if (code === -1) return whole;
    return code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
  }
}
