/** What a person or a test wants of a captured message: text, HTML, attachments by name, links, one-time codes. */
import PostalMime from "postal-mime";
import { withKnownCharsets } from "./reading/body-charsets.ts";

export interface ReadableContent {
  readonly text: string;
  readonly html: string;
  /** In order of appearance, each once. */
  readonly links: readonly string[];
  /** One-time codes: likeliest first. */
  readonly codes: readonly string[];
  readonly attachments: readonly { readonly filename: string; readonly type: string; readonly size: number }[];
}

/** Larger messages are shown by their first part only: showing is no reason to take the memory of the server. */
const parsedBytesMax = 25_000_000;
/** A page with more links than this has no use for the rest. */
const linksMax = 1_000;

export async function readContent(raw: Uint8Array): Promise<ReadableContent> {
  const { text, html, attachments } = await PostalMime.parse(withKnownCharsets(raw.subarray(0, parsedBytesMax)));
  const shownText = text ?? "";
  const shownHtml = html ?? "";
  return {
    text: shownText,
    html: shownHtml,
    links: findLinks(shownText, shownHtml),
    codes: findCodes(shownText === "" ? textOfHtml(shownHtml) : shownText),
    attachments: attachments.map(({ filename, mimeType, content }) => ({
      filename: filename ?? "",
      type: mimeType,
      size: typeof content === "string" ? content.length : content.byteLength,
    })),
  };
}

export function findLinks(text: string, html: string): readonly string[] {
  const links = new Set<string>();
  for (const [, quoted, bare] of html.matchAll(/\bhref\s*=\s*(?:["']([^"'<>]{1,4000})["']|([^\s"'<>]{1,4000}))/gi)) {
    links.add(decodeEntities((quoted ?? bare ?? "").trim()));
  }
  for (const [link] of text.matchAll(/\bhttps?:\/\/[^\s<>"']{1,4000}/gi)) links.add(link.replace(/[).,;:!?\]]+$/, ""));
  return [...links].filter((link) => /^https?:\/\//i.test(link)).slice(0, linksMax);
}

/**
 * Codes of four to eight digits (also `123-456`), or of six to ten capitals with digits. Those on a line, or right below
 * one, that speaks of a code come first; digits alone elsewhere count only where they stand on a line of their own.
 */
export function findCodes(text: string): readonly string[] {
  const likely = new Set<string>();
  const possible = new Set<string>();
  let announced = 0;
  for (const line of text.slice(0, 200_000).split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const withoutLinks = line.replaceAll(/\bhttps?:\/\/\S+/gi, " ");
    if (/\b(code|otp|pin|passcode|password|token|verif\w*|confirm\w*|one-time)\b/i.test(withoutLinks)) announced = 3;
    const alone = withoutLinks.trim();
    for (const [code] of withoutLinks.matchAll(
      /(?<![\w-])(?:\d{3}[- ]\d{3}|\d{4,8}|(?=[A-Z]*\d)[A-Z0-9]{6,10})(?![\w-])/g,
    )) {
      if (announced > 0) likely.add(code.replaceAll(/[- ]/g, ""));
      else if (code === alone) possible.add(code.replaceAll(/[- ]/g, ""));
    }
    announced--;
  }
  return [...new Set([...likely, ...possible])].slice(0, 20);
}

function textOfHtml(html: string): string {
  const withoutCode = html.replaceAll(/<(style|script)\b[\s\S]{0,100000}?<\/\1>/gi, " ");
  return decodeEntities(
    withoutCode.replaceAll(/<(?:br|\/p|\/div|\/tr|\/h\d)\b[^>]{0,500}>/gi, "\n").replaceAll(/<[^>]{0,2000}>/g, " "),
  );
}

function decodeEntities(text: string): string {
  return text
    .replaceAll(/&nbsp;/gi, " ")
    .replaceAll(/&lt;/gi, "<")
    .replaceAll(/&gt;/gi, ">")
    .replaceAll(/&quot;/gi, '"')
    .replaceAll(/&#39;/g, "'")
    .replaceAll(/&amp;/gi, "&");
}
