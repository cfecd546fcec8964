/**
 * One-time codes: everything in a message that has the form of one, ranked by what the words around it say. An announcement
 * belongs to the first number after it, a label ("order number") to the number right behind it; numbers that nothing
 * announces count only where they stand alone.
 */
import { type Announcement, type Marks, type Strength, findMarks } from "./code-marks.ts";
import { findShapes, readyText, type ReadyText, type Shape } from "./code-shapes.ts";
import { linkWords, numberWords, plainWord } from "./code-words.ts";

export type CodePlace = "subject" | "text" | "html";

export interface CodeCandidate {
  readonly value: string;
  /** From 0, surely none, to 100. */
  readonly score: number;
  /** What speaks for it, and what against. */
  readonly reason: string;
  readonly where: readonly CodePlace[];
}

/** Nobody looks at more. */
const candidatesMax = 50;
/** Scores from here on are codes; where one is sure, the others must be nearly as sure. */
const likely = 45;
const sure = 75;
const likelyBesideSure = 55;
/** Announcements to look at, before and after a number. */
const announcementsBefore = 8;
const announcementsAfter = 3;
const reachMax = 400;

export function findCandidates(parts: Readonly<Record<CodePlace, string>>): readonly CodeCandidate[] {
  const announcedBySubject = findMarks(readyText(parts.subject)).announcements.find(
    ({ strength }) => strength === "strong" || strength === "medium",
  );
  const best = new Map<string, CodeCandidate>();
  for (const place of ["subject", "text", "html"] as const) {
    const found = new PartReader(readyText(parts[place]), place, announcedBySubject).candidates();
    for (const candidate of found) {
      const before = best.get(candidate.value);
      const better = before === undefined || candidate.score > before.score ? candidate : before;
      const where = [...new Set([...(before?.where ?? []), place])];
      best.set(candidate.value, { ...better, where });
    }
  }
  return [...best.values()].toSorted((one, other) => other.score - one.score).slice(0, candidatesMax);
}

/** Those that are codes rather than other numbers, likeliest first. */
export function likelyCodes(candidates: readonly CodeCandidate[]): readonly string[] {
  const least = (candidates[0]?.score ?? 0) >= sure ? likelyBesideSure : likely;
  return candidates.filter(({ score }) => score >= least).map(({ value }) => value);
}

interface Evidence {
  readonly score: number;
  readonly reason: string;
}

class PartReader {
  readonly #ready: ReadyText;
  readonly #place: CodePlace;
  readonly #subject: Announcement | undefined;
  readonly #marks: Marks;
  /** Announcements that stand right before a number belong to it alone. */
  readonly #taken = new Set<Announcement>();

  constructor(ready: ReadyText, place: CodePlace, subject: Announcement | undefined) {
    this.#ready = ready;
    this.#place = place;
    this.#subject = subject;
    this.#marks = findMarks(ready);
  }

  candidates(): readonly CodeCandidate[] {
    const shapes = findShapes(this.#ready);
    const found: CodeCandidate[] = [];
    const cursors = { announcement: 0, label: 0, unit: 0, month: 0, line: 0 };
    for (const shape of shapes) {
      const { announcements, labels, units, months } = this.#marks;
      cursors.announcement = advance(announcements, cursors.announcement, shape.start);
      cursors.label = advance(labels, cursors.label, shape.start);
      cursors.unit = advance(units, cursors.unit, shape.end);
      cursors.month = advance(months, cursors.month, shape.start);
      cursors.line = lineAt(this.#ready.lineStarts, cursors.line, shape.start);
      const against = this.#against(shape, cursors);
      const evidence = this.#for(shape, cursors, against !== undefined);
      if (evidence === undefined) continue;
      const score = Math.max(0, Math.min(100, evidence.score + (against?.score ?? 0)));
      const reason = against === undefined ? evidence.reason : `${evidence.reason}; but ${against.reason}`;
      found.push({ value: shape.value, score: Math.round(score), reason, where: [this.#place] });
    }
    return found;
  }

  #for(shape: Shape, cursors: Cursors, labelled: boolean): Evidence | undefined {
    const alone = this.#isAlone(shape, cursors.line);
    const evidences = [
      ...this.#before(shape, cursors, alone, labelled),
      ...this.#after(shape, cursors, alone),
      ...this.#unannounced(shape, alone),
    ].filter(({ score }) => !shape.lettersOnly || score >= sure);
    return evidences.toSorted((one, other) => other.score - one.score)[0];
  }

  #before(shape: Shape, cursors: Cursors, alone: boolean, labelled: boolean): readonly Evidence[] {
    const found: Evidence[] = [];
    const { announcements } = this.#marks;
    const first = Math.max(0, cursors.announcement - announcementsBefore);
    for (const announcement of announcements.slice(first, cursors.announcement)) {
      const between = this.#ready.text.slice(announcement.end, shape.start);
      if (between.length > reachMax) continue;
      const evidence = announcedBefore(announcement, between, alone, shape);
      if (evidence === undefined) continue;
      const taken = this.#taken.has(announcement);
      if (!labelled && evidence.score >= likely) this.#taken.add(announcement);
      found.push(
        taken && !alone ? { score: evidence.score - 35, reason: `${evidence.reason}, after another` } : evidence,
      );
    }
    return found;
  }

  #after(shape: Shape, cursors: Cursors, alone: boolean): readonly Evidence[] {
    const found: Evidence[] = [];
    const { announcements } = this.#marks;
    for (const announcement of announcements.slice(cursors.announcement, cursors.announcement + announcementsAfter)) {
      const between = this.#ready.text.slice(shape.end, announcement.start);
      if (announcement.start < shape.end || between.length > 100) continue;
      const evidence = announcedAfter(announcement, between, alone);
      if (evidence !== undefined) found.push(evidence);
    }
    return found;
  }

  #unannounced(shape: Shape, alone: boolean): readonly Evidence[] {
    if (!alone) return [{ score: 5, reason: "has the form of a code" }];
    const found = [{ score: shape.digitsOnly ? 46 : 30, reason: "stands alone on its line" }];
    if (this.#subject !== undefined && this.#place !== "subject") {
      found.push({ score: 66, reason: `stands alone on its line, and the subject speaks of "${this.#subject.text}"` });
    }
    return found;
  }

  /** What else the number is. */
  #against(shape: Shape, cursors: Cursors): Evidence | undefined {
    const { text } = this.#ready;
    const { labels, units, months, announcements } = this.#marks;
    const label = labels[cursors.label - 1];
    if (label !== undefined) {
      const between = text.slice(label.end, shape.start);
      const announced = announcements[cursors.announcement - 1];
      const sentence = announced !== undefined && !endsSentence(text.slice(announced.end, shape.start));
      if (isLabelGap(between, sentence && (announced?.start ?? 0) > label.end - 200)) {
        if (announced === undefined || announced.start < label.start || /[#]/.test(between)) {
          const before = labels[cursors.label - 2];
          const from = before !== undefined && label.start - before.end === 1 ? before.start : label.start;
          return { score: -75, reason: `it follows "${text.slice(from, label.end)}"` };
        }
      }
    }
    if (/#\s?$/.test(text.slice(Math.max(0, shape.start - 2), shape.start)))
      return { score: -60, reason: "a # stands before it" };
    const unit = units[cursors.unit];
    if (unit !== undefined && /^[ \t]?$/.test(text.slice(shape.end, unit.start)) && unit.start >= shape.end) {
      return { score: -60, reason: `it counts "${unit.text}"` };
    }
    return this.#againstForm(shape, months[cursors.month - 1]);
  }

  #againstForm(shape: Shape, month: { readonly end: number; readonly text: string } | undefined): Evidence | undefined {
    const { text } = this.#ready;
    const before = text.slice(Math.max(0, shape.start - 8), shape.start);
    const after = text.slice(shape.end, shape.end + 24);
    if (/^(?:19|20)\d\d$/.test(shape.value)) {
      const dated =
        month !== undefined &&
        /^[.,]?[ \t]?(?:\d{1,2}(?:st|nd|rd|th)?,? ?)?(?:de )?$/.test(text.slice(month.end, shape.start));
      if (dated || /(?:©|\(c\)|\d\.?) ?$|- ?$/i.test(before) || /^ ?[-–]/.test(after))
        return { score: -75, reason: "it is a year" };
      return { score: -15, reason: "it may be a year" };
    }
    if (/^\d{4,6}$/.test(shape.value)) {
      const town = /^[ ,]{1,2}\p{Lu}\p{Ll}+/u.test(after) && /[,\n|·\t]\s?$|^$|\b[A-Z]{1,2}[ -]$/.test(before);
      const state = /\b[A-Z]{2} $/.test(before) || /^ [A-Z]{2}\b/.test(after);
      if (town || (state && shape.value.length === 5)) return { score: -40, reason: "it looks like a postal code" };
    }
    if (!shape.digitsOnly && /^(?:[A-Z]?[a-z]{2,}\d{1,4}|\d{1,3}[a-z]{2,}|[a-z]+\d[a-z]+\d?)$/.test(shape.value)) {
      return { score: -12, reason: "it may be a name" };
    }
    return undefined;
  }

  #isAlone(shape: Shape, line: number): boolean {
    const from = this.#ready.lineStarts[line] ?? 0;
    const to = (this.#ready.lineStarts[lineAt(this.#ready.lineStarts, line, shape.end - 1) + 1] ?? 0) - 1;
    if (shape.start - from > 20 || to - shape.end > 20) return false;
    const around = this.#ready.text.slice(from, shape.start) + this.#ready.text.slice(shape.end, to);
    return !/[\p{L}\p{N}\ufffc]/u.test(around);
  }
}

interface Cursors {
  readonly announcement: number;
  readonly label: number;
  readonly unit: number;
  readonly month: number;
  readonly line: number;
}

/** The first of the sorted marks that does not begin before `place`. */
function advance(marks: readonly { readonly start: number }[], from: number, place: number): number {
  let at = from;
  while ((marks[at]?.start ?? Infinity) < place) at++;
  return at;
}

function lineAt(lineStarts: readonly number[], from: number, place: number): number {
  let line = from;
  while ((lineStarts[line + 1] ?? Infinity) <= place) line++;
  return line;
}

const sentenceScore: Readonly<Record<Strength, number>> = { strong: 88, medium: 78, weak: 28, verb: 56 };
const directScore: Readonly<Record<Strength, number>> = { strong: 100, medium: 96, weak: 82, verb: 66 };
const aloneScore: Readonly<Record<Strength, number>> = { strong: 92, medium: 84, weak: 40, verb: 62 };
const laterScore: Readonly<Record<Strength, number>> = { strong: 60, medium: 44, weak: 10, verb: 10 };
const followingScore: Readonly<Record<Strength, number>> = { strong: 90, medium: 80, weak: 40, verb: 50 };

function announcedBefore(
  { strength, text }: Announcement,
  between: string,
  alone: boolean,
  shape: Shape,
): Evidence | undefined {
  const lines = between.split("\n").filter((line) => line.trim() !== "").length;
  if (isDirect(between)) {
    return { score: directScore[strength], reason: `follows "${text}"` };
  }
  if (shape.lettersOnly && !alone) return undefined;
  if (alone && lines <= 6) {
    const colon = /:\s*$/.test(between) ? 25 : 0;
    const score = Math.min(aloneScore[strength] + (strength === "weak" ? colon : 0), 96) - 3 * lines;
    return { score, reason: `stands alone below "${text}"` };
  }
  const far = Math.min(24, between.length / 6);
  if (!endsSentence(between))
    return { score: sentenceScore[strength] - far, reason: `stands in the sentence of "${text}"` };
  if (lines > 3) return undefined;
  // `Here is your code. It is 482913.`
  const lastSentence = between.slice(Math.max(...[..."!?。！？."].map((mark) => between.lastIndexOf(mark))) + 1);
  if (isDirect(lastSentence))
    return { score: laterScore[strength] + 14, reason: `begins the sentence after "${text}"` };
  return { score: laterScore[strength] - far, reason: `stands in a sentence after "${text}"` };
}

function announcedAfter({ strength, text }: Announcement, between: string, alone: boolean): Evidence | undefined {
  if (endsSentence(between)) {
    return alone && /^\s*$/.test(between)
      ? { score: followingScore[strength] - 25, reason: `stands alone above "${text}"` }
      : undefined;
  }
  // Another number nearer to the announcement is the one meant.
  if (/\d{4}/.test(between)) return undefined;
  const reason = `stands before "${text}"`;
  const far = Math.min(30, between.length / 3);
  return { score: followingScore[strength] - far - (between.includes("\n") ? 15 : 0), reason };
}

/** Nothing but a colon, an `is`, quotation marks or line ends stands between the announcement and the number. */
function isDirect(between: string): boolean {
  if (between.length > 60 || /[.!?。！？;,，、|]|\n\s*\n/.test(between.replace(/^\./, ""))) return false;
  const rest = between.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(between)) return between.length <= 8;
  return rest.every((word) => linkWords.has(plainWord(word)));
}

/** A label binds the number right behind it; with a colon alone it does not where the sentence has announced a code before. */
function isLabelGap(between: string, announced: boolean): boolean {
  if (between.length > 40 || /\n\s*\n|[!?。！？;|]/.test(between)) return false;
  if (/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(between) && between.length > 6) return false;
  const rest = between.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (rest.length > 4 || !rest.every((word) => numberWords.has(plainWord(word)))) return false;
  return !(announced && rest.length === 0 && /[:：]/.test(between));
}

/** A full stop after a short word is an abbreviation: `No. 12`. */
function endsSentence(text: string): boolean {
  if (text.length > reachMax) return true;
  return /[!?。！？]|\n[ \t]*\n|(?<![\s.]\p{L}{1,3})\.(?=\s|$)/u.test(text);
}
