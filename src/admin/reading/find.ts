/** What a test needs from a message: the links to follow and the codes to type, with the reason for each code. */
import { type CodeCandidate, findCandidates, likelyCodes } from "./codes.ts";
import { readHtml } from "./html-text.ts";
import { findLinks, type Link } from "./links.ts";

export interface Findings {
  /** `http`, `https` and the schemes of applications, in order of appearance, each once. */
  readonly links: readonly string[];
  /** All links, mail addresses and telephone numbers included, with the text of their anchors. */
  readonly link_details: readonly Link[];
  /** One-time codes: likeliest first. */
  readonly codes: readonly string[];
  /** Everything that has the form of a code, likeliest first, each with its reason. */
  readonly code_candidates: readonly CodeCandidate[];
}

/** Nobody reads further into a part. */
const partLengthMax = 2_000_000;
const subjectLengthMax = 1_000;

export function findLinksAndCodes(message: {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}): Findings {
  const text = message.text.slice(0, partLengthMax);
  const html = readHtml(message.html.slice(0, partLengthMax));
  const details = findLinks(text, html);
  const candidates = findCandidates({ subject: message.subject.slice(0, subjectLengthMax), text, html: html.text });
  const followed = details.filter(({ kind }) => kind === "web" || kind === "custom").map(({ url }) => url);
  return {
    links: [...new Set(followed)],
    link_details: details,
    codes: likelyCodes(candidates),
    code_candidates: candidates,
  };
}
