/**
 * Turns in the schedule: whose mail a message is, and which of what is due a page takes. Every spool chooses by these
 * rules, so nobody's mail waits on the disk for the end of someone else's mailing.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { ClaimRequest, StoredMessage } from "./spool.ts";

/** Lanes whose last turn is remembered; without it a lane's turn goes by the age of its mail alone. */
const rememberedMax = 10_000;

/** What one sender has waiting for one domain. */
export interface Lane {
  readonly domain: string;
  readonly sender: string;
}

/** A recipient that is due. */
export interface DueInLane extends Lane {
  readonly due: Instant;
}

interface Placed<T> {
  readonly waiting: T;
  /** Its place among all that are due, the oldest first. */
  readonly at: number;
  /** When it is the lane's turn. */
  readonly turn: Instant;
  /** How many of the same lane come before it. */
  readonly round: number;
}

/** Whose mail it is: the account that logged in, else the domain of the reverse-path. Format 3 does the same in SQL. */
export function senderOf({ origin, reversePath }: Pick<StoredMessage, "origin" | "reversePath">): string {
  if (origin.login !== undefined) return `login ${origin.login}`;
  return reversePath === "" ? "<>" : `from ${asciiLowerCase(reversePath.slice(reversePath.lastIndexOf("@") + 1))}`;
}

/**
 * When each lane last had its turn. Nothing durable: a restart begins a new round. It matters where more lanes wait than a
 * page takes, since otherwise those with the oldest mail would have every page.
 */
export class LastTurns {
  readonly #times = new Map<string, Instant>();

  /** Its oldest mail has waited since then, or the lane has since its last turn. */
  turnOf(lane: DueInLane, now: Instant): Instant {
    const last = this.#times.get(keyOf(lane));
    // A clock that was set back must not make it wait.
    return last === undefined ? lane.due : Math.max(lane.due, Math.min(last, now));
  }

  note(lane: Lane, now: Instant): void {
    const key = keyOf(lane);
    this.#times.delete(key);
    this.#times.set(key, now);
    if (this.#times.size <= rememberedMax) return;
    for (const oldest of this.#times.keys()) {
      this.#times.delete(oldest);
      return;
    }
  }
}

/**
 * The page: of `due`, which is in order of due time, at most `perDomainMax` of a domain and `limit` in all. Both are
 * filled in rounds: each sender's oldest first, then each one's second, so that each gets an equal share and what one
 * leaves goes to the others. In order of due time again; of one lane always the first ones.
 */
export function takeTurns<T extends DueInLane>(
  due: readonly T[],
  { limit, perDomainMax }: Pick<ClaimRequest, "limit" | "perDomainMax">,
  turnOf: (first: T) => Instant,
): readonly T[] {
  const lanes = new Map<string, { readonly turn: Instant; size: number }>();
  const domains = new Map<string, Placed<T>[]>();
  for (const [at, waiting] of due.entries()) {
    const key = keyOf(waiting);
    const lane = lanes.get(key) ?? { turn: turnOf(waiting), size: 0 };
    lanes.set(key, lane);
    const placed = { waiting, at, turn: lane.turn, round: lane.size++ };
    const ofDomain = domains.get(waiting.domain);
    if (ofDomain === undefined) domains.set(waiting.domain, [placed]);
    else ofDomain.push(placed);
  }
  const allowed = [...domains.values()].flatMap((ofDomain) => firstInTurn(ofDomain, perDomainMax)).toSorted(byAge);
  const senders = new Map<string, number>();
  const bySender = allowed.map((placed) => {
    const round = senders.get(placed.waiting.sender) ?? 0;
    senders.set(placed.waiting.sender, round + 1);
    return { ...placed, round };
  });
  return firstInTurn(bySender, limit)
    .toSorted(byAge)
    .map(({ waiting }) => waiting);
}

function firstInTurn<T>(placed: readonly Placed<T>[], max: number): readonly Placed<T>[] {
  return placed.length <= max ? placed : placed.toSorted(byTurn).slice(0, max);
}

function byTurn(a: Placed<unknown>, b: Placed<unknown>): number {
  return a.round - b.round || a.turn - b.turn || a.at - b.at;
}

function byAge(a: Placed<unknown>, b: Placed<unknown>): number {
  return a.at - b.at;
}

function keyOf({ domain, sender }: Lane): string {
  return `${domain} ${sender}`;
}
