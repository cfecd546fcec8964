/**
 * One-time codes: ranks everything in a message that has the form of one by the words around it. An announcement belongs to
 * the first number after it, and a label ("order number") to the number right after it. A number that nothing announces
 * counts only where it stands alone.
 */
import {
  announcedAfter,
  announcedBefore,
  doubtOf,
  endsSentence,
  type Evidence,
  isLabelGap,
  reachMax,
} from "./code-evidence.ts";
import { type Announcement, type Marks, findMarks } from "./code-marks.ts";
import { findShapes, readyText, type ReadyText, type Shape } from "./code-shapes.ts";
import { currencyBefore } from "./code-words.ts";

export type CodePlace = "subject" | "text" | "html";

export interface CodeCandidate {
  readonly value: string;
  /** From 0 (certainly not a code) to 100. */
  readonly score: number;
  /** What speaks for it and against it. */
  readonly reason: string;
  readonly where: readonly CodePlace[];
}

/** More than a reader will look at. */
const candidatesMax = 50;
/** A code scores at least `likely`; beside a sure one, others must be nearly as sure. */
const likely = 45;
const sure = 75;
const likelyBesideSure = 55;
/** How many announcements before and after a number are considered. */
const announcementsBefore = 8;
const announcementsAfter = 3;

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

const standsAlone = "stands alone on its line";
const columnScore = 30;

class PartReader {
  readonly #ready: ReadyText;
  readonly #place: CodePlace;
  readonly #subject: Announcement | undefined;
  readonly #marks: Marks;
  /** Nothing in this part announces a code for certain. */
  readonly #silent: boolean;
  /** Announcements that already have their number. */
  readonly #taken = new Set<Announcement>();

  constructor(ready: ReadyText, place: CodePlace, subject: Announcement | undefined) {
    this.#ready = ready;
    this.#place = place;
    this.#subject = subject;
    this.#marks = findMarks(ready);
    this.#silent = this.#marks.announcements.every(({ strength }) => strength === "weak" || strength === "verb");
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
      const doubt = against ?? doubtOf(this.#ready.text, shape, months[cursors.month - 1], evidence);
      const score = Math.max(0, Math.min(100, Math.round(evidence.score + (doubt?.score ?? 0))));
      const reason = doubt === undefined ? evidence.reason : `${evidence.reason}; but ${doubt.reason}`;
      found.push({ value: shape.value, score, reason, where: [this.#place] });
    }
    // Several numbers that stand alone make a table.
    const lonely = found.filter(({ reason }) => reason === standsAlone);
    return lonely.length < 2
      ? found
      : found.map((one) => (one.reason === standsAlone ? { ...one, score: columnScore } : one));
  }

  #for(shape: Shape, cursors: Cursors, labelled: boolean): Evidence | undefined {
    const alone = this.#isAlone(shape, cursors.line);
    if (shape.fromCells && !alone) return undefined;
    const evidences = [
      ...this.#before(shape, cursors, alone, labelled),
      ...(shape.lettersOnly ? [] : this.#after(shape, cursors, alone)),
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
        taken && !alone
          ? { ...evidence, score: evidence.score - 35, reason: `${evidence.reason}, after another` }
          : evidence,
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
    const spoken = this.#place === "subject" ? undefined : this.#subject;
    if (!alone) {
      return spoken !== undefined && this.#silent && shape.digitsOnly
        ? [{ score: 50, reason: `the subject mentions "${spoken.text}"` }]
        : [{ score: 5, reason: "has the form of a code" }];
    }
    const counts = /^\s*\p{Ll}/u.test(this.#ready.text.slice(shape.end, shape.end + 40));
    const found = [{ score: shape.digitsOnly && !counts && !shape.fromCells ? 46 : 30, reason: standsAlone }];
    if (spoken !== undefined) {
      found.push({ score: 66, reason: `stands alone on its line, and the subject mentions "${spoken.text}"` });
    }
    return found;
  }

  /** What else the number is. */
  #against(shape: Shape, cursors: Cursors): Evidence | undefined {
    const { text } = this.#ready;
    const { units } = this.#marks;
    const label = this.#labelOf(shape, cursors);
    if (label !== undefined) return { score: -75, reason: `it follows "${label}"` };
    const before = text.slice(Math.max(0, shape.start - 8), shape.start);
    if (/#\s?$/.test(before)) return { score: -60, reason: "a # stands before it" };
    if (currencyBefore.test(before)) return { score: -75, reason: "it is an amount" };
    const unit = units[cursors.unit];
    if (unit !== undefined && /^[ \t]?$/.test(text.slice(shape.end, unit.start)) && unit.start >= shape.end) {
      return { score: -60, reason: `it counts "${unit.text}"` };
    }
    return undefined;
  }

  #labelOf(shape: Shape, cursors: Cursors): string | undefined {
    const { text } = this.#ready;
    const { labels, announcements } = this.#marks;
    const label = labels[cursors.label - 1];
    if (label === undefined) return undefined;
    const announced = announcements
      .slice(Math.max(0, cursors.announcement - announcementsBefore), cursors.announcement)
      .findLast(({ strength }) => strength === "strong" || strength === "medium");
    // The nearer one of the two counts.
    if (announced !== undefined && announced.start >= label.start) return undefined;
    const sentence = announced !== undefined && !endsSentence(text.slice(announced.end, label.start));
    if (!isLabelGap(text.slice(label.end, shape.start), sentence)) return undefined;
    const before = labels[cursors.label - 2];
    const from = before !== undefined && label.start - before.end === 1 ? before.start : label.start;
    return text.slice(from, label.end).replace("\n", " ");
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
