/**
 * Words and phrases that documents and messages avoid, because readers stumble over them, and what to write instead. What
 * is searched: the prose of a document, and the texts in quotes of a source file, which are what people get to read.
 */

interface AvoidedWording {
  readonly pattern: RegExp;
  readonly instead: string;
}

const avoided: readonly AvoidedWording[] = [
  { pattern: /\bput(?:s|ting)? (?:it |them |mail |that |us )?off\b/i, instead: "defer" },
  { pattern: /\bleads? (?:on|elsewhere)\b/i, instead: "forward, or expand" },
  { pattern: /\bfor good\b/i, instead: "permanently, or: this cannot be undone" },
  { pattern: /\bof ours\b/i, instead: "local, or: of this server" },
  { pattern: /\bsome ?body\b/i, instead: "say who: a person, another user, someone else" },
  { pattern: /\bany ?body\b/i, instead: "anyone, or say who" },
  { pattern: /\b(?:time|it|that) is over\b/i, instead: "has expired, or has ended" },
  { pattern: /\bin a circle\b/i, instead: "in a loop" },
  { pattern: /\boff a terminal\b/i, instead: "without a terminal" },
  { pattern: /\bmade anew\b/i, instead: "created again" },
  { pattern: /\bfor now\b/i, instead: "temporarily, or at present" },
  { pattern: /\bDNS trouble\b/i, instead: "a temporary DNS failure" },
  { pattern: /\bso many\b/i, instead: "say the number, or how it is limited" },
  { pattern: /\bsub-domains?\b/i, instead: "subdomain" },
  { pattern: /\bfaults? of (?:ours|our own)\b/i, instead: "an error in this server" },
  { pattern: /\ball the same\b/i, instead: "still" },
  { pattern: /\bseldom\b/i, instead: "rarely" },
  { pattern: /\bleads? (?:back )?to (?:itself|nobody|no one|the user|more)\b/i, instead: "expands to, or forwards to" },
  { pattern: /\blook(?:s|ed)? after\b/i, instead: "manage, or say what is done" },
  { pattern: /\bthat which\b/i, instead: "what, or name the thing" },
  { pattern: /\bfrom then on\b/i, instead: "since then, or afterwards" },
  { pattern: /\bnobody (?:is|are) told\b/i, instead: "say who gets no report" },
  {
    pattern: /\b(?:sender|operator|postmaster|client|user)s? (?:is|are|was|were) told\b/i,
    instead: "say what they get",
  },
  { pattern: /\bheld by a person\b/i, instead: "held by an operator" },
];

export interface AllowedWording {
  readonly file: string;
  /** The text around the words, as it stands in the file. */
  readonly text: string;
  readonly reason: string;
}

export const allowedWordings: readonly AllowedWording[] = [
  {
    file: "docs/rfc-checklist.md",
    text: "switched encryption off for good",
    reason: "a title of another project's log",
  },
  { file: "docs/rfc-checklist.md", text: "sub-domain", reason: "the checklist quotes the standards" },
  { file: "docs/rfc-checklist.md", text: "nothing is sent to anybody", reason: "the checklist quotes the standards" },
];

export interface WordingFault {
  readonly line: number;
  readonly words: string;
  readonly instead: string;
}

/** The avoided words in the text of one file; `file` says of what kind it is. */
export function wordingFaults(
  file: string,
  text: string,
  allowed: readonly AllowedWording[] = allowedWordings,
): readonly WordingFault[] {
  const exceptions = allowed.filter((exception) => exception.file === file);
  return readableParts(file, text).flatMap(({ line, part }) =>
    avoided.flatMap(({ pattern, instead }) => {
      const words = pattern.exec(part)?.[0];
      if (words === undefined || exceptions.some((exception) => part.includes(exception.text))) return [];
      return [{ line, words, instead }];
    }),
  );
}

/** Exceptions whose text is no longer in their file. */
export function unusedExceptions(
  textOf: (file: string) => string | undefined,
  allowed: readonly AllowedWording[] = allowedWordings,
): readonly AllowedWording[] {
  return allowed.filter(({ file, text }) => textOf(file)?.includes(text) !== true);
}

function readableParts(file: string, text: string): { readonly line: number; readonly part: string }[] {
  const lines = text.split("\n").map((content, index) => ({ line: index + 1, content }));
  // Words that stand on two lines of a document are found, too, at the first of them.
  if (file.endsWith(".md")) {
    return lines.map(({ line, content }) => {
      const next = /^\s*\S+(?:\s+\S+)?/.exec(lines[line]?.content ?? "")?.[0].trim() ?? "";
      return { line, part: content.startsWith("|") || next.startsWith("|") ? content : `${content} ${next}` };
    });
  }
  return lines.flatMap(({ line, content }) => {
    if (/^\s*(?:\/\/|\/?\*)/.test(content)) return [];
    // A line inside a template of several lines has no quotes of its own, and is rare.
    return [...content.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g)]
      .filter(([quoted]) => quoted.includes(" "))
      .map(([part]) => ({ line, part }));
  });
}
