/**
 * The life of a signing key, as a pure state machine: what is, what DNS says, and the time go in; what is then comes
 * out. It only advances on what DNS really says. docs/dkim.md has the table of states; a test visits each transition.
 *
 *     prepared → published → active → retiring → retired
 *                    ↓         ↕
 *                prepared   vanished → retiring
 */
import type { Instant } from "../lib/instant.ts";

/** Before this the key cannot have been seen by everybody who looked for it; see `activateAt`. */
const marginMsMin = 60_000;
/** A zone's other servers follow within its TTL, or within an hour where that is longer. */
const marginMsMax = 3_600_000;
/** So long a key goes on signing while DNS gives no answer at all: verifiers cannot ask either, and try again. */
export const silenceMsMax = 6 * 3_600_000;

/** Times are those of entering the state, unless they say otherwise. */
export type KeyState =
  /** Made, and not in DNS. */
  | { readonly kind: "prepared"; readonly since: Instant }
  /** Seen in DNS; signs from `activateAt` on, if it is seen again then. */
  | { readonly kind: "published"; readonly since: Instant; readonly activateAt: Instant }
  /** Signs. */
  | { readonly kind: "active"; readonly since: Instant; readonly seenAt: Instant }
  /** Was active, and is no longer in DNS: does not sign until it is back. */
  | { readonly kind: "vanished"; readonly since: Instant; readonly activeSince: Instant }
  /**
   * Replaced. Its record must stay in DNS until `retireAt`, for mail on its way; it signs only where no active key of
   * its domain and algorithm is to be seen.
   */
  | { readonly kind: "retiring"; readonly since: Instant; readonly retireAt: Instant; readonly seenAt?: Instant }
  /** Its record can be removed. */
  | { readonly kind: "retired"; readonly since: Instant };

export type RetiringState = Extract<KeyState, { readonly kind: "retiring" }>;

export type StateName = KeyState["kind"];

/** What DNS says of one key. */
export type Sighting =
  /** The record holds our public key, and allows what we do with it. */
  | { readonly kind: "seen"; readonly ttlSeconds: number }
  | { readonly kind: "absent"; readonly detail: string }
  /** There is a record, and it is not ours, or not usable: another key, none, broken, doubled. */
  | { readonly kind: "different"; readonly detail: string }
  /** DNS gave no answer. */
  | { readonly kind: "unknown"; readonly detail: string };

export interface LifecycleTerms {
  /** false: keys sign whatever DNS says. */
  readonly requirePublished: boolean;
  /** How long a replaced key stays published: what mail may spend in queues, ours and those of others. */
  readonly keepPublishedMs: number;
}

/** What follows for one key from what DNS said of it at `now`. The same object: nothing changes. */
export function afterSighting(state: KeyState, sighting: Sighting, now: Instant, terms: LifecycleTerms): KeyState {
  if (!terms.requirePublished && state.kind !== "retiring" && state.kind !== "retired") {
    return state.kind === "active"
      ? { ...state, seenAt: sighting.kind === "seen" ? now : state.seenAt }
      : { kind: "active", since: state.kind === "vanished" ? state.activeSince : now, seenAt: now };
  }
  switch (state.kind) {
    case "prepared":
      return sighting.kind === "seen" ? published(now, sighting.ttlSeconds) : state;
    case "published":
      if (sighting.kind === "unknown") return state;
      if (sighting.kind !== "seen") return { kind: "prepared", since: now };
      return now < state.activateAt ? state : { kind: "active", since: now, seenAt: now };
    case "active": {
      if (sighting.kind === "seen") return { ...state, seenAt: now };
      const silent = sighting.kind === "unknown" && now - state.seenAt < silenceMsMax;
      return silent ? state : { kind: "vanished", since: now, activeSince: state.since };
    }
    case "vanished":
      return sighting.kind === "seen" ? { kind: "active", since: state.activeSince, seenAt: now } : state;
    case "retiring": {
      const { seenAt, ...rest } = state;
      if (sighting.kind === "seen") return { ...rest, seenAt: now };
      if (sighting.kind === "unknown") return state;
      return seenAt === undefined ? state : rest;
    }
    case "retired":
      return state;
    default:
      return state satisfies never;
  }
}

/**
 * What follows for the other keys of the same domain and algorithm, when `state` of one of them is the outcome of
 * {@link afterSighting}: a key that becomes active replaces them, and one that has come back makes those that stood in
 * for it stay published anew.
 */
export function afterOthersActivation(state: KeyState, now: Instant, terms: LifecycleTerms): KeyState {
  const retireAt = now + terms.keepPublishedMs;
  switch (state.kind) {
    case "active":
      return { kind: "retiring", since: now, retireAt, seenAt: state.seenAt };
    case "vanished":
      return { kind: "retiring", since: now, retireAt };
    case "retiring":
      return state.retireAt < retireAt ? { ...state, retireAt } : state;
    case "prepared":
    case "published":
    case "retired":
      return state;
    default:
      return state satisfies never;
  }
}

/**
 * What follows for a key that a person removes, its private half with it: its record stays for mail on its way.
 * `undefined`: no such mail is left, so that the key can be forgotten and its record can go at once.
 */
export function afterRemoval(
  state: KeyState,
  now: Instant,
  terms: Pick<LifecycleTerms, "keepPublishedMs">,
): RetiringState | undefined {
  switch (state.kind) {
    case "prepared":
    case "published":
    case "retired":
      return undefined;
    case "active":
    case "vanished":
      return { kind: "retiring", since: now, retireAt: now + terms.keepPublishedMs };
    case "retiring":
      // It may have signed until now, in place of another.
      return state.seenAt === undefined
        ? state
        : { kind: "retiring", since: state.since, retireAt: now + terms.keepPublishedMs };
    default:
      return state satisfies never;
  }
}

/** What time alone does. `replaced`: an active key of the same domain and algorithm is to be seen, or this one is removed. */
export function afterTime(state: KeyState, now: Instant, { replaced }: { readonly replaced: boolean }): KeyState {
  return state.kind === "retiring" && replaced && now >= state.retireAt ? { kind: "retired", since: now } : state;
}

/** May sign at `now`: seen in DNS, and not too long ago. `active` goes before `retiring`. */
export function maySign(state: KeyState, now: Instant, { requirePublished }: LifecycleTerms): boolean {
  switch (state.kind) {
    case "active":
      return !requirePublished || now - state.seenAt < silenceMsMax;
    case "retiring":
      return state.seenAt !== undefined && now - state.seenAt < silenceMsMax;
    case "prepared":
    case "published":
    case "vanished":
    case "retired":
      return false;
    default:
      return state satisfies never;
  }
}

/**
 * When to look again. What is waited for is looked for every minute at first, later every tenth of the time it has
 * taken so far, at most every ten minutes; what is established, hourly.
 */
export function checkDelayMs(state: KeyState, sighting: Sighting | undefined, now: Instant): number {
  const waiting = Math.min(Math.max((now - state.since) / 10, 60_000), 600_000);
  switch (state.kind) {
    case "prepared":
    case "vanished":
      return waiting;
    case "published":
      return Math.max(state.activateAt - now, 60_000);
    case "active":
    case "retiring":
      return sighting?.kind === "unknown" ? 300_000 : 3_600_000;
    case "retired":
      return 3_600_000;
    default:
      return state satisfies never;
  }
}

function published(now: Instant, ttlSeconds: number): KeyState {
  const marginMs = Math.min(Math.max(ttlSeconds * 1000, marginMsMin), marginMsMax);
  return { kind: "published", since: now, activateAt: now + marginMs };
}
