/** Judges whether an announcement and a number belong together, and what else the number may be. */
import type { Announcement, Strength } from "./code-marks.ts";
import type { Shape, Word } from "./code-shapes.ts";
import { copulas, linkWords, numberWords, plainWord } from "./code-words.ts";

export interface Evidence {
  readonly score: number;
  readonly reason: string;
  /** The announcement says what the code proves. */
  readonly strong?: boolean;
}

/** An announcement farther away than this does not count. */
export const reachMax = 400;

const sentenceScore: Readonly<Record<Strength, number>> = { strong: 88, medium: 78, weak: 28, verb: 56 };
const directScore: Readonly<Record<Strength, number>> = { strong: 100, medium: 96, weak: 82, verb: 66 };
const aloneScore: Readonly<Record<Strength, number>> = { strong: 92, medium: 84, weak: 40, verb: 62 };
const laterScore: Readonly<Record<Strength, number>> = { strong: 60, medium: 44, weak: 10, verb: 10 };
const followingScore: Readonly<Record<Strength, number>> = { strong: 90, medium: 80, weak: 40, verb: 50 };

export function announcedBefore(
  { strength, text }: Announcement,
  between: string,
  alone: boolean,
  shape: Shape,
): Evidence | undefined {
  const strong = strength === "strong";
  const lines = between.split("\n").filter((line) => line.trim() !== "").length;
  // A word in capitals needs more than a blank before it: CODE FREEZE.
  const word = shape.lettersOnly && !shape.value.includes("-") && /^ *$/.test(between);
  if (isDirect(between) && !word) {
    return { score: directScore[strength], reason: `follows "${text}"`, strong };
  }
  if (shape.lettersOnly && !alone) return undefined;
  if (alone && lines <= 6) {
    const colon = /:\s*$/.test(between) ? 25 : 0;
    const score = Math.min(aloneScore[strength] + (strength === "weak" ? colon : 0), 96) - 3 * lines;
    return { score, reason: `stands alone below "${text}"`, strong };
  }
  // `Enter 4821` asks for a code; `Enter the building at 4821 Main Street` does not.
  if (strength === "verb") return undefined;
  const far = Math.min(24, between.length / 6);
  if (!endsSentence(between))
    return { score: sentenceScore[strength] - far, reason: `is in the same sentence as "${text}"`, strong };
  if (lines > 3) return undefined;
  // `Here is your code. It is 482913.`
  const lastSentence = between.slice(Math.max(...[..."!?。！？."].map((mark) => between.lastIndexOf(mark))) + 1);
  if (isDirect(lastSentence))
    return { score: laterScore[strength] + 14, reason: `begins the sentence after "${text}"`, strong };
  return { score: laterScore[strength] - far, reason: `is in a sentence after "${text}"`, strong };
}

export function announcedAfter(
  { strength, text }: Announcement,
  between: string,
  alone: boolean,
): Evidence | undefined {
  const strong = strength === "strong";
  if (endsSentence(between)) {
    // `482913` and below it `is your verification code`.
    const words = between.match(/[\p{L}\p{N}]+/gu) ?? [];
    const linked = /^\s[^.!?。！？]*$/.test(between) && words.every((word) => linkWords.has(plainWord(word)));
    return alone && linked
      ? { score: followingScore[strength] - 25, reason: `stands alone above "${text}"`, strong }
      : undefined;
  }
  // Another number nearer to the announcement is the one meant.
  if (/\d{4}/.test(between)) return undefined;
  const reason = `stands before "${text}"`;
  const far = Math.min(30, between.length / 3);
  return { score: followingScore[strength] - far - (between.includes("\n") ? 15 : 0), reason, strong };
}

/** Only a colon, an `is`, quotation marks or line ends stand between the announcement and the number. */
function isDirect(between: string): boolean {
  // `Password provvisoria: Lx93pQ7w`: one more word, then the colon.
  if (/^ ?\p{L}{0,20} ?[:：]\s{0,4}$/u.test(between)) return true;
  if (between.length > 60 || /[.!?。！？;,，、|]|\n[^\S\n]*\n/.test(between.replace(/^\./, ""))) return false;
  const rest = (between.match(/[\p{L}\p{N}]+/gu) ?? []).map(plainWord);
  if (/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(between)) return between.length <= 8;
  if (rest.every((word) => linkWords.has(word))) return true;
  // `clave dinámica es`: one more word, then a verb such as `is`.
  const [, ...more] = rest;
  return (
    more.some((word) => copulas.has(word)) && more.every((word) => linkWords.has(word)) && /^ ?\p{L}+ /u.test(between)
  );
}

/**
 * A label names the number right after it. If the sentence has announced a code before, a colon or a line end is not enough:
 * `Enter this code to confirm your order: 4821`.
 */
export function isLabelGap(between: string, announced: boolean): boolean {
  if (between.length > 40 || /[,!?。！？，;|]/.test(between)) return false;
  if (/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(between) && between.length > 6) return false;
  const rest = between.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (/\n[^\S\n]*\n/.test(between) && (announced || rest.length > 0 || between.includes("."))) return false;
  if (rest.length > 4 || !rest.every((word) => numberWords.has(plainWord(word)))) return false;
  return !(announced && rest.length === 0 && /[:：\n]/.test(between));
}

/** A full stop after a short word is an abbreviation: `No. 12`. */
export function endsSentence(text: string): boolean {
  if (text.length > reachMax) return true;
  return /[!?。！？]|\n[ \t]*\n|(?<![\s.]\p{L}{1,3})\.(?=\s|$)/u.test(text);
}

/** An announcement that stands right before the number has this score at least. */
const directAtLeast = 90;

/** What the form of a number and the characters around it say against it, whatever announces it. */
export function doubtOf(text: string, shape: Shape, month: Word | undefined, evidence: Evidence): Evidence | undefined {
  const direct = evidence.score >= directAtLeast;
  const before = text.slice(Math.max(0, shape.start - 8), shape.start);
  const after = text.slice(shape.end, shape.end + 24);
  if (/^(?:19|20)\d\d$/.test(shape.value)) {
    const dated =
      month !== undefined && yearAfterMonth.test(text.slice(month.end, Math.min(shape.start, month.end + 20)));
    const ranged = /(?:©|\(c\)|\d\.?) ?$|- ?$/i.test(before) || /^ ?[-–]/.test(after);
    return dated || ranged ? { score: -75, reason: "it is a year" } : { score: -15, reason: "it may be a year" };
  }
  if (/^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/.test(shape.value) && !direct) {
    return { score: -45, reason: "it may be a date" };
  }
  if (evidence.strong !== true && !shape.digitsOnly) {
    const around = text.slice(Math.max(0, shape.start - 100), shape.end + 100);
    if (promotion.test(around)) return { score: -60, reason: "it looks like a promotion code" };
  }
  if (/^\d{4,6}$/.test(shape.value)) {
    const town = /^[ ,]{1,2}\p{Lu}\p{Ll}+/u.test(after);
    const postal = /[,\n|·\t]\s?$|^$|\b[A-Z]{1,2}[ -]$/.test(before) || (shape.value.length === 5 && !direct);
    const state = shape.value.length === 5 && (/\b[A-Z]{2} $/.test(before) || /^ [A-Z]{2}\b/.test(after));
    if ((town && postal) || state) return { score: -40, reason: "it looks like a postal code" };
  }
  if (/^(?:[A-Z]?[a-z]{2,}\d{1,4}|\d{1,3}[a-z]{2,}|[a-z]+\d[a-z]+\d?)$/.test(shape.value)) {
    return { score: direct ? -12 : -35, reason: "it may be a name" };
  }
  return undefined;
}

const yearAfterMonth = /^[.,]?[ \t]?(?:\d{1,2}(?:st|nd|rd|th)?,? ?)?(?:de )?$/;

/** Words that advertisements use. */
const promotion =
  /\d ?%|% ?\d|\boff\b|checkout|discount|coupon|voucher|\bsale\b|\bsave\b|rabatt|gutschein|sparen|warenkorb|descuento|oferta|ahorra|desconto|réduction|remise|promo|sconto|korting|zniżk|rabat|скидк|割引|クーポン|オフ|优惠|優惠|折扣|할인|쿠폰/iu;
