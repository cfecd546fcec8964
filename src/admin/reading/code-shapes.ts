/**
 * Finds what has the form of a one-time code: four to ten letters and digits in one piece, in groups (`123-456`,
 * `12 34 56`, `I6R-B2W`, `G-261764`), or one by one on lines or in cells of their own. Parts of prices, dates, times,
 * telephone numbers and longer numbers do not qualify.
 */

/** Mail announces its code well before this many characters. */
const textLengthMax = 200_000;
const charactersMin = 4;
const charactersMax = 10;
/** A message with more numbers than this is a table of numbers. */
const shapesMax = 4_000;

export interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface Shape {
  readonly start: number;
  readonly end: number;
  /** As a person would type it: digits without separators, other codes as written. */
  readonly value: string;
  readonly digitsOnly: boolean;
  /** Letters alone are a code only where nothing else can be meant. */
  readonly lettersOnly: boolean;
  /** Put together from cells of a table: a code only on a line of its own. */
  readonly fromCells: boolean;
}

/** A text with its URLs and addresses blotted out and the digits of every script as ASCII. */
export interface ReadyText {
  readonly text: string;
  readonly words: readonly Word[];
  /** Where each line begins; the last entry is the length. */
  readonly lineStarts: readonly number[];
}

/** Stands for what was blotted out. */
const blot = "\ufffc";

export function readyText(source: string): ReadyText {
  const text = asciiDigits(source.slice(0, textLengthMax))
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replaceAll(/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g, " ")
    .replaceAll(/\b[a-z][a-z0-9+.-]{1,31}:\/\/[^\s<>"]+/gi, blot)
    .replaceAll(/[^\s@<>()[\]:;,"'\u3000-\uffef]{1,64}@[a-z0-9.-]{1,255}/gi, blot)
    .replaceAll(/\b(?:www\.)?[a-z][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){1,5}\/[^\s<>"]*/gi, blot);
  const words = [...text.matchAll(/[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{M}0-9_]+/gu)].map(
    (match) => ({
      start: match.index,
      end: match.index + match[0].length,
      text: match[0],
    }),
  );
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  lineStarts.push(text.length + 1);
  return { text, words, lineStarts };
}

/** Zeros of the digits of other scripts: full width, Arabic, Persian, Devanagari, Bengali, Thai. */
const zeros = [0xff10, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50];

function asciiDigits(text: string): string {
  return text.replaceAll(
    /[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff0d\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59]/g,
    (character) => {
      const code = character.charCodeAt(0);
      const zero = zeros.find((first) => code >= first && code <= first + 9);
      if (zero !== undefined) return String(code - zero);
      return String.fromCharCode(code - 0xfee0);
    },
  );
}

export function findShapes({ text, words }: ReadyText): readonly Shape[] {
  const shapes: Shape[] = [];
  for (let index = 0; index < words.length && shapes.length < shapesMax;) {
    const found = groupedAt(text, words, index) ?? chainAt(text, words, index) ?? singleAt(text, words, index);
    if (found.shape !== undefined) shapes.push(found.shape);
    index = found.next;
  }
  return shapes;
}

interface Found {
  readonly shape?: Shape | undefined;
  /** The index of the first word after it. */
  readonly next: number;
}

/** `12 34 56`, `1234 5678`, `4 8 3 9 2 0`: digits in groups of one length, with one separator. */
function groupedAt(text: string, words: readonly Word[], index: number): Found | undefined {
  const first = words[index];
  if (first === undefined || first.text.length > 5 || !/^\d+$|^[A-Z]$/.test(first.text)) return undefined;
  const separator = separatorAfter(text, words, index);
  if (separator === undefined) return undefined;
  let next = index + 1;
  while (next < words.length && separatorAfter(text, words, next - 1) === separator) {
    const word = words[next];
    if (word?.text.length !== first.text.length || !/^\d+$|^[A-Z]$/.test(word.text)) break;
    next++;
  }
  const groups = words.slice(index, next);
  if (groups.length < 2) return undefined;
  const value = groups.map((word) => word.text).join("");
  const end = words[next - 1]?.end ?? first.end;
  if (value.length < charactersMin || !/\d/.test(value)) return first.text.length === 1 ? { next } : undefined;
  if (value.length > charactersMax || isCounting(groups)) return { next };
  // One more group of another length: the number of a telephone or an account.
  const more = words[next];
  if (separatorAfter(text, words, next - 1) === separator && more !== undefined && /^\d{2,}$/.test(more.text)) {
    return { next: next + 1 };
  }
  const less = words[index - 1];
  if (less !== undefined && /^\d{2,}$/.test(less.text) && separatorAfter(text, words, index - 1) === separator)
    return { next };
  if (isWithinNumber(text, first.start, end)) return { next };
  if (/^0\d(?:\d\d){4}$/.test(value) && first.text.length === 2) return { next };
  return {
    next,
    shape: {
      start: first.start,
      end,
      value,
      digitsOnly: !/[A-Z]/.test(value),
      lettersOnly: false,
      fromCells: separator === "\t",
    },
  };
}

/** What stands between a word and the next, where that may stand between the groups of a code. */
function separatorAfter(text: string, words: readonly Word[], index: number): string | undefined {
  const from = words[index]?.end ?? 0;
  const to = words[index + 1]?.start ?? 0;
  if (to <= from || to - from > 3) return undefined;
  const between = text.slice(from, to);
  const single = words[index]?.text.length === 1;
  if (single ? /^[ \t]{1,3}$/.test(between) : between === " ") return " ";
  if (between === "\t") return "\t";
  if (/^ ?[-\u2010-\u2013] ?$/.test(between)) return "-";
  if (/^ ?[\u00b7\u2022] ?$/.test(between)) return "·";
  return single && /^[ \t]?\n{1,2}$/.test(between) ? "\n" : undefined;
}

/** `1 2 3 4 5`: a scale to choose from. */
function isCounting(groups: readonly Word[]): boolean {
  return groups.every(({ text }, index) => text.length === 1 && Number(text) === Number(groups[0]?.text) + index);
}

/** `G-261764`, `ABC-123456`, `I6R-B2W`, `123-456`: a chain of hyphens is one thing, or nothing. */
function chainAt(text: string, words: readonly Word[], index: number): Found | undefined {
  let next = index + 1;
  while (next < words.length && isHyphen(text, words[next - 1], words[next])) next++;
  // A chain of more groups than a code has characters is skipped as a whole.
  if (next - index > charactersMax) return { next };
  const groups = words.slice(index, next);
  const [first] = groups;
  const last = groups.at(-1);
  if (first === undefined || last === undefined || groups.length < 2) return undefined;
  const characters = groups.map((word) => word.text).join("");
  // `spark-lemon-4821-tree`: words and digits that are typed together.
  if (groups.length > 2 && !/\d/.test(last.text) && /\p{Ll}/u.test(last.text)) return { next };
  if (
    prefixWords.has(first.text) ||
    groups.some((word) => !/^(?:[A-Z0-9]+|(?=[A-Za-z]*\d)[A-Za-z0-9]+)$/.test(word.text))
  ) {
    // `code-482913`: a word, and what follows it.
    return { next: index + 1, shape: singleAt(text, words, index).shape };
  }
  const lettersOnly = !/\d/.test(characters);
  const fits = characters.length >= charactersMin && characters.length <= charactersMax;
  if (!fits || groups.length > 3 || isWithinNumber(text, first.start, last.end)) return { next };
  if (lettersOnly && (groups.length !== 2 || first.text.length !== last.text.length)) return { next };
  const digitsOnly = /^\d+$/.test(characters);
  // Digits in groups of unequal length are dates, telephone and account numbers.
  if (digitsOnly && new Set(groups.map((word) => word.text.length)).size > 1) return { next };
  const written = text.slice(first.start, last.end).replaceAll(/[\u2010-\u2013]/g, "-");
  return {
    next,
    shape: {
      start: first.start,
      end: last.end,
      value: digitsOnly ? characters : written,
      digitsOnly,
      lettersOnly,
      fromCells: false,
    },
  };
}

/** `OTP-482913`: these announce the code and are not part of it. */
const prefixWords = new Set(["OTP", "PIN", "TAN", "CODE"]);

function isHyphen(text: string, before: Word | undefined, after: Word | undefined): boolean {
  if (before === undefined || after === undefined || after.start - before.end !== 1) return false;
  return /[-\u2010-\u2013]/.test(text.charAt(before.end));
}

function singleAt(text: string, words: readonly Word[], index: number): Found {
  const next = index + 1;
  const word = words[index];
  if (word === undefined || word.text.length < charactersMin || word.text.length > charactersMax) return { next };
  const digitsOnly = /^\d+$/.test(word.text);
  const lettersOnly = /^[A-Z]+$/.test(word.text);
  if (!digitsOnly && !lettersOnly && !/^(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]+$/.test(word.text)) return { next };
  if (isWithinNumber(text, word.start, word.end)) return { next };
  return {
    next,
    shape: { start: word.start, end: word.end, value: word.text, digitsOnly, lettersOnly, fromCells: false },
  };
}

/** `1,234.56`, `14:30`, `29.11.2026`, `+49 30 …`, `50%`, `**** 4242`, `€1234`: part of something larger. */
function isWithinNumber(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 6), start);
  const after = text.slice(end, end + 12);
  if (/\d[.,:/'\u2019]$|\p{L}\.$|[+\\/@]$/u.test(before)) return true;
  if (/[*\u2022\u25cf\u00b7xX]{2,6} ?$/.test(before) && !after.startsWith("*")) return true;
  if (/[\p{Sc}] ?$/u.test(before) || /^ ?[\p{Sc}%\u2030]/u.test(after)) return true;
  if (/^[.:/'\u2019]\d|^[/@]|^\.[a-z]/i.test(after)) return true;
  // A comma and digits are cents or thousands, except where a word of Chinese follows them: `482913,5分钟内有效`.
  return /^,\d+(?![\d\u2e80-\u9fff\uac00-\ud7af])/.test(after);
}
