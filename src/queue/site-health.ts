/**
 * What the answers of one site say about how hard it may be worked: a limit that is halved when it says 421, and a rest
 * when it cannot be reached at all. Both have an end time that anyone can see, and neither is ever permanent. All times
 * here are on the monotonic clock: a rest lasts as long as it is meant, wherever the wall clock is set.
 *
 * A refusal of one message or one recipient, at MAIL or RCPT or after, says nothing about the site (RFC 5321 §4.5.4.1).
 */
import type { Diagnostic } from "../events/delivery-outcome.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";

/**
 * `contact`: the site talked to us until the end. `earlier-contact`: it talked to us, and then the connection broke, after MAIL
 * was accepted or after other recipients were answered; its last word may be as old as the delivery. `busy`: it wants fewer of us. `unreachable`: none of its hosts let us in. `lost`: the
 * connection broke or fell silent before MAIL was accepted; after that it counts against the message, not the site.
 */
export type SiteVerdict = "contact" | "earlier-contact" | "busy" | "unreachable" | "lost";

const firstRestMs = 60_000;
/** Longer than the first retries, shorter than the later ones: a site that is back is found within a quarter of an hour. */
const longestRestMs = 15 * 60_000;
/** One failure among working connections is an accident; a site that just worked, or may yet work, is believed twice. */
const freshContactMs = 60_000;
const failuresDespiteDoubt = 3;
/** A lowered limit doubles at this interval until it is normal again. */
const recoveryMs = 5 * 60_000;
/** Twenty connections told 421 at the same time are one wish, not twenty. */
const oneWishMs = 10_000;
/** Who keeps a delivery for longer gets no slot of those that are kept for sites that answer. */
const promptMs = 60_000;
const provenForMs = 3_600_000;

/** What a job's outcomes, taken together, tell about the site; undefined when they tell nothing. */
export function siteVerdict(outcomes: readonly Pick<RecipientOutcome, "outcome" | "site">[]): SiteVerdict | undefined {
  let unreachable = 0;
  let lost = 0;
  let notAsked = 0;
  let brokeLater = false;
  for (const { outcome, site } of outcomes) {
    const { diagnostic } = outcome;
    if (diagnostic?.type === "smtp" && diagnostic.code === 421) return "busy";
    if (outcome.kind !== "deferred") continue;
    const isLost = outcome.status === "4.4.2" && diagnostic?.type !== "smtp";
    const isRefused = isRefusedAtTheDoor(outcome.status, diagnostic);
    if (site === "answered") brokeLater ||= isLost || isRefused;
    else if (site === "not-asked") notAsked++;
    else if (isRefused) unreachable++;
    else if (isLost) lost++;
  }
  const asked = outcomes.length - notAsked;
  if (asked === 0) return undefined;
  if (unreachable === asked) return "unreachable";
  if (unreachable + lost === asked) return "lost";
  return brokeLater || unreachable + lost > 0 ? "earlier-contact" : "contact";
}

function isRefusedAtTheDoor(status: string, diagnostic: Diagnostic | undefined): boolean {
  if (diagnostic?.type !== "smtp") return status === "4.4.1";
  return diagnostic.command !== undefined && /^(?:greeting|ehlo|helo|lhlo)$/i.test(diagnostic.command);
}

export class SiteHealth {
  #failuresInARow = 0;
  #lastFailureMs = -Infinity;
  #rests = 0;
  #restingUntilMs: number | undefined;
  #lastContactMs: number | undefined;
  #lastPromptMs = -Infinity;
  #lowered: { limit: number; untilMs: number; sinceMs: number } | undefined;

  /** Deliveries that may be under way now. After a rest one of them finds out whether the site is back. */
  limit(normal: number, nowMs: number): number {
    if (this.#rests > 0) return 1;
    const lowered = this.#lowered;
    if (lowered === undefined) return normal;
    while (lowered.untilMs <= nowMs && lowered.limit < normal) {
      lowered.limit *= 2;
      lowered.untilMs += recoveryMs;
    }
    if (lowered.limit < normal) return lowered.limit;
    this.#lowered = undefined;
    return normal;
  }

  limitedUntilMs(normal: number, nowMs: number): number | undefined {
    return this.limit(normal, nowMs) < normal ? this.#lowered?.untilMs : undefined;
  }

  /** Nothing should be attempted before this time. */
  restingUntilMs(nowMs: number): number | undefined {
    return this.#restingUntilMs !== undefined && this.#restingUntilMs > nowMs ? this.#restingUntilMs : undefined;
  }

  /** Whether it could not be reached, or had enough of us, within the last so many milliseconds. */
  hasFailedWithin(ms: number, nowMs: number): boolean {
    return nowMs - this.#lastFailureMs <= ms;
  }

  /** It failed, and the next delivery finds out whether it is back. */
  get isProbing(): boolean {
    return this.#rests > 0;
  }

  /** A delivery of so many milliseconds ended with an answer. */
  noteAnswer(durationMs: number, nowMs: number): void {
    if (durationMs <= promptMs) this.#lastPromptMs = nowMs;
  }

  /** It answered promptly of late, so it may have the slots that are kept for such sites. */
  isProven(nowMs: number): boolean {
    return nowMs - this.#lastPromptMs < provenForMs;
  }

  /** Ends a rest before its time: one delivery finds out whether the site is back. false: it did not rest. */
  wake(nowMs: number): boolean {
    if (this.restingUntilMs(nowMs) === undefined) return false;
    this.#restingUntilMs = undefined;
    this.#rests = 1;
    return true;
  }

  /** Takes one job's verdict in; tells what changed by it. */
  record(
    verdict: Exclude<SiteVerdict, "earlier-contact">,
    normal: number,
    nowMs: number,
  ): "limited" | "resting" | "recovered" | undefined {
    switch (verdict) {
      case "contact":
        return this.#contact(nowMs);
      case "busy":
        return this.#busy(normal, nowMs);
      case "unreachable":
      case "lost":
        return this.#failed(verdict === "lost", nowMs);
      default:
        return verdict satisfies never;
    }
  }

  /** Nothing left to remember: the site is as good as new. */
  isPlain(nowMs: number): boolean {
    return this.#rests === 0 && this.#lowered === undefined && this.restingUntilMs(nowMs) === undefined;
  }

  #contact(nowMs: number): "recovered" | undefined {
    const wasResting = this.#rests > 0;
    this.#failuresInARow = 0;
    this.#rests = 0;
    this.#restingUntilMs = undefined;
    this.#lastContactMs = nowMs;
    return wasResting ? "recovered" : undefined;
  }

  #busy(normal: number, nowMs: number): "limited" | "resting" | undefined {
    this.#lastFailureMs = nowMs;
    const current = this.limit(normal, nowMs);
    if (this.#lowered !== undefined && nowMs - this.#lowered.sinceMs < oneWishMs) return undefined;
    this.#lowered = { limit: Math.max(1, Math.floor(current / 2)), untilMs: nowMs + recoveryMs, sinceMs: nowMs };
    if (current > 1) return "limited";
    // Even one connection is too many just now.
    return this.#rest(nowMs);
  }

  #failed(isDoubtful: boolean, nowMs: number): "resting" | undefined {
    this.#failuresInARow++;
    this.#lastFailureMs = nowMs;
    const justWorked = this.#lastContactMs !== undefined && nowMs - this.#lastContactMs < freshContactMs;
    if ((isDoubtful || justWorked) && this.#failuresInARow < failuresDespiteDoubt) return undefined;
    return this.#rest(nowMs);
  }

  #rest(nowMs: number): "resting" | undefined {
    // Jobs that were under way when the rest began fail after it did; they do not prolong it.
    if (this.restingUntilMs(nowMs) !== undefined) return undefined;
    this.#restingUntilMs = nowMs + Math.min(longestRestMs, firstRestMs * 2 ** Math.min(this.#rests, 10));
    this.#rests++;
    return "resting";
  }
}
