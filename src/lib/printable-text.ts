/**
 * Text of strangers on its way to people: to a terminal, a log, a page or a reply. Everything that is shown goes through
 * here, so that there is one list of what may not get through; scripts/tidy.ts holds the rest of `src` to it.
 *
 * What may not: control characters (C0, DEL and C1, with which a terminal is made to do things), those that turn the
 * direction of text or hide in it, line and paragraph separators, and halves of characters.
 */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** The same without what JSON escapes by itself. */
const unsafeInJson = /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const controls = /[\u0000-\u001f\u007f-\u009f]+/g;
/** What we write ourselves: line ends, tabs, colours, and "erase the line" with which a progress bar begins anew. */
const ownControl = /\n|\t|\r(?=\n|\u001b\[K)|\u001b\[(?:[0-9;]{0,20}m|K)/y;

/** One line: a tab is a blank, everything else that is unsafe is shown as `\x9b`, or as `mark`. */
export function printable(text: string, mark?: string): string {
  if (isPlain(text)) return text;
  return text.replaceAll(unsafe, (character) =>
    character === "\t" ? " " : (mark ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`),
  );
}

/** The same for text of several lines: line ends stay. */
export function printableLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => printable(line))
    .join("\n");
}

/** As JSON that says the same to programs and is safe to look at. Throws and gives `undefined` where `JSON.stringify` does. */
export function printableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return isPlain(json) ? json : json.replaceAll(unsafeInJson, escapeOf);
}

/**
 * Whole output of a command, the last gate before the terminal: of escape sequences only those that we write ourselves get
 * through. What is unsafe becomes `\u009b`, which means the same within JSON.
 */
export function printableOutput(text: string): string {
  if (!/[^\n\x20-\x7e]/.test(text)) return text;
  return text.replaceAll(unsafe, (character, at: number) => {
    ownControl.lastIndex = at;
    return ownControl.test(text) ? character : escapeOf(character);
  });
}

/** For text that is kept or quoted as it is, less control characters: each run of them becomes `mark`. */
export function withoutControls(text: string, mark: string): string {
  return isPlain(text) ? text : text.replaceAll(controls, mark);
}

/** Printable ASCII, as nearly all texts are. */
function isPlain(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
