/** Where a text announces a code, and where it says that a number is something else. */
import type { ReadyText, Word } from "./code-shapes.ts";
import {
  capitalNouns,
  certainNouns,
  codeNouns,
  enterWords,
  falseCompounds,
  findPhrases,
  hasStem,
  labelStems,
  labelWords,
  monthStems,
  numberNouns,
  otherCodeStems,
  plainWord,
  purposeStems,
  units,
  weakNouns,
} from "./code-words.ts";

export type Strength = "strong" | "medium" | "weak" | "verb";

export interface Announcement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly strength: Strength;
}

export interface Marks {
  readonly announcements: readonly Announcement[];
  /** Of other numbers: orders, telephones, amounts. */
  readonly labels: readonly Word[];
  readonly months: readonly Word[];
  /** What is counted: `EUR`, `km`, 円. */
  readonly units: readonly Word[];
}

/** Of an announcement, to show in a reason. */
const shownMax = 60;

type WordClass =
  "certain" | "noun" | "compound" | "weak" | "verb" | "other-code" | "label" | "unit" | "month" | "plain";

export function findMarks({ text, words }: ReadyText): Marks {
  const announcements: Announcement[] = [];
  const labels: Word[] = [];
  const unitWords: Word[] = [];
  const months: Word[] = [];
  const classes = new WordClasses();
  words.forEach((word, index) => {
    const found = classes.of(word.text);
    const previous = plainWord(words[index - 1]?.text ?? "");
    if (found === "label" && numberNouns.has(plainWord(word.text))) {
      // `verification number`; `use the number 482913 to sign in`.
      const verb = [-2, -1].some((step) => classes.of(words[index + step]?.text ?? "") === "verb");
      if (/^(?:verif|weryf|bevestig|secur)/.test(previous)) announcements.push({ ...word, strength: "strong" });
      else if (verb) announcements.push({ ...word, strength: "verb" });
      else labels.push(word);
      return;
    }
    if (found === "unit") unitWords.push(word);
    if (found === "month") months.push(word);
    if (found === "label") labels.push(word);
    if (found === "other-code") labels.push(word);
    const announcement = announcementAt(text, words, index, found);
    if (announcement === "label") labels.push(word);
    else if (announcement !== undefined) announcements.push(announcement);
  });
  for (const phrase of findPhrases(text)) {
    const word = { start: phrase.start, end: phrase.end, text: phrase.text };
    if (phrase.kind === "code") announcements.push({ ...word, strength: phrase.strong ? "strong" : "medium" });
    else if (phrase.kind === "verb") announcements.push({ ...word, strength: "verb" });
    else if (phrase.kind === "label") labels.push(word);
    else unitWords.push(word);
  }
  const byPlace = (one: { readonly start: number }, other: { readonly start: number }) => one.start - other.start;
  return {
    announcements: announcements.toSorted(byPlace),
    labels: labels.toSorted(byPlace),
    months,
    units: unitWords.toSorted(byPlace),
  };
}

/** Looks up each word of a message once, however often it occurs. */
class WordClasses {
  readonly #known = new Map<string, WordClass>();

  of(word: string): WordClass {
    let found = this.#known.get(word);
    if (found === undefined) {
      found = classOf(word);
      this.#known.set(word, found);
    }
    return found;
  }
}

function classOf(word: string): WordClass {
  if (word.length > 40 || /^\d/.test(word)) return "plain";
  if (capitalNouns.has(word)) return "certain";
  const plain = plainWord(word);
  if (falseCompounds.has(plain)) return "other-code";
  if (certainNouns.has(plain)) return "certain";
  if (codeNouns.has(plain)) return "noun";
  if (weakNouns.has(plain)) return "weak";
  const [, first] = /^(.{2,})s?(?:codes?|koden?|koodi(?:si|nne)?|kod(?:od|unuz|un)?)$/.exec(plain) ?? [];
  if (first !== undefined) return isOtherCompound(first) ? "other-code" : "compound";
  if (/^(?:pruf|verifi[kc]\w*|bestatigungs|sicherheits)(?:nummer|ziffern?|zahl)$/.test(plain)) return "compound";
  if (/^(?:einmal|zugangs|anmelde|start|initial)(?:passwort|kennwort|pin)$/.test(plain)) return "certain";
  if (enterWords.has(plain)) return "verb";
  if (units.has(plain)) return "unit";
  if (labelWords.has(plain) || hasStem(plain, labelStems)) return "label";
  if (hasStem(plain, monthStems) && plain.length <= 10) return "month";
  return "plain";
}

/** `Buchungscode` is another kind of code, `Kontobestätigungscode` is not. */
function isOtherCompound(first: string): boolean {
  if (hasStem(first, otherCodeStems)) return true;
  return hasStem(first, labelStems) && !purposeStems.some((stem) => stem.length > 4 && first.includes(stem));
}

/** `label`: another kind of code, such as a promotion code. */
function announcementAt(
  text: string,
  words: readonly Word[],
  index: number,
  found: WordClass,
): Announcement | "label" | undefined {
  const word = words[index];
  if (word === undefined) return undefined;
  if (found === "certain" || found === "compound") return { ...word, strength: "strong" };
  if (found === "verb") return { ...word, strength: "verb" };
  if (found !== "noun" && found !== "weak") return undefined;
  const before = neighbour(words, index, -1);
  if (found === "noun" && (hasStem(before, otherCodeStems) || hasStem(afterOf(words, index), otherCodeStems)))
    return "label";
  const purposeBefore = [-3, -2, -1].filter((step) => hasStem(neighbour(words, index, step), purposeStems));
  const purposeAfter = [1, 2, 3, 4].filter((step) => isPurpose(text, words, index, step));
  if (purposeBefore.length + purposeAfter.length === 0)
    return { ...word, strength: found === "weak" ? "weak" : "medium" };
  // The phrase as it stands: `verification code`, `clave de un solo uso`.
  const start = purposeBefore.includes(-1) ? (words[index - 1]?.start ?? word.start) : word.start;
  const end = words[index + (purposeAfter.at(-1) ?? 0)]?.end ?? word.end;
  return {
    start,
    end,
    text: text.slice(start, Math.min(end, start + shownMax)).replaceAll(/\s+/g, " "),
    strength: found === "weak" ? "medium" : "strong",
  };
}

/** The word `step` words later says what the code is for, in the same phrase. */
function isPurpose(text: string, words: readonly Word[], index: number, step: number): boolean {
  const word = words[index + step];
  if (word === undefined || !hasStem(plainWord(word.text), purposeStems)) return false;
  return /^[^.:!?;,(\d\n]*$/.test(text.slice(words[index]?.end, Math.min(word.start, (words[index]?.end ?? 0) + 60)));
}

function neighbour(words: readonly Word[], index: number, step: number): string {
  return plainWord(words[index + step]?.text ?? "");
}

/** `código de descuento`, `code promo`: the word that tells the kind follows, perhaps after a preposition. */
function afterOf(words: readonly Word[], index: number): string {
  const next = neighbour(words, index, 1);
  return /^(?:of|d|de|del|di|do|da|du|della|des|na)$/.test(next) ? neighbour(words, index, 2) : next;
}
