/** The links of a message: the anchors of its HTML and the URLs in its text. */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { HtmlContent } from "./html-text.ts";
import { findUrls, urlLengthMax } from "./text-urls.ts";

/**
 * `web` is http and https, `mail` is mailto, `telephone` is tel and sms; everything else, as an application's own
 * scheme, is `custom`.
 */
export type LinkKind = "web" | "mail" | "telephone" | "custom";

export interface Link {
  readonly url: string;
  /** The text of the anchor; empty for a URL in running text. */
  readonly text: string;
  readonly kind: LinkKind;
}

/** A page with more links than this has no use for the rest. */
const linksMax = 1_000;
/** Of all links together; a long newsletter needs a tenth of it. */
const charactersMax = 1_000_000;
const kinds: ReadonlyMap<string, LinkKind> = new Map([
  ["http", "web"],
  ["https", "web"],
  ["mailto", "mail"],
  ["tel", "telephone"],
  ["sms", "telephone"],
]);
/** Parts of the message itself, schemes that mail clients never follow, and what templates use to stop Apple Mail from making links. */
const notFollowed = new Set(
  "cid mid data javascript vbscript about blob x-apple-data-detectors applewebdata webkit-fake-url".split(" "),
);

/** In order of appearance, the HTML first; each pair of URL and text once. */
export function findLinks(text: string, html: HtmlContent): readonly Link[] {
  const links = new Map<string, Link>();
  const named = new Set<string>();
  let characters = 0;
  const add = (url: string, anchorText: string) => {
    const kind = kindOf(url);
    characters += url.length;
    if (kind === undefined || url.length > urlLengthMax || links.size >= linksMax || characters > charactersMax) return;
    if (anchorText === "" && named.has(url)) return;
    links.set(`${url}\n${anchorText}`, { url, text: anchorText, kind });
    named.add(url);
  };
  for (const anchor of html.anchors) add(absolute(anchor.href, html.base), anchor.text);
  for (const url of findUrls(html.textOutsideAnchors)) add(url, "");
  for (const url of findUrls(text)) add(url, "");
  return [...links.values()];
}

function kindOf(url: string): LinkKind | undefined {
  // One letter is a Windows drive.
  const [, scheme] = /^([a-z][a-z0-9+.-]{1,31}):./i.exec(url) ?? [];
  if (scheme === undefined || notFollowed.has(asciiLowerCase(scheme))) return undefined;
  return kinds.get(asciiLowerCase(scheme)) ?? "custom";
}

/** As browsers do: drops line breaks and tabs within and spaces around. */
function absolute(href: string, base: string | undefined): string {
  const url = href.replaceAll(/[\t\r\n]/g, "").trim();
  if (base === undefined || kindOf(url) !== undefined || url.startsWith("#")) return url;
  return URL.parse(url, base)?.href ?? url;
}
