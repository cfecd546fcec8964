/**
 * Back-pressure: how much of the ready stage is taken, by whom, and who may have more. Counted in recipients.
 *
 * The stage has two halves, one for fresh mail and one for what is read from the schedule, so that neither a backlog nor a
 * flood shuts out the other. A claim reserves room in its half and gives it back as its recipients are settled. Recipients
 * that wait for the same thing (those of one domain for a route, those of one site for their turn) are a crowd, and no crowd
 * may take more than half of what is left. A full crowd is left out: fresh mail for it goes to the schedule, and pages are
 * read without its domains, until half of it has gone on.
 *
 * **Whatever was left out is looked at again when room is made for it.** Room is made in two ways: recipients leave a crowd,
 * or memory is given back. Both are told here and nowhere else, and what was left out is kept as a state of this class
 * (`#full`, `#enough`), so each way out of that state calls `onRoom`: none can be forgotten by who made the room.
 *
 * Reading slows down while most of what it gives is not tried: the site rests, or no route can be found. Each such recipient
 * is written back at once, so a backlog of a dead site would go round as fast as the spool can write, and live mail would
 * wait behind those writes. While more than half of what was read came back untried, pages are small (live mail waits for one
 * page at most) and come at intervals. Nothing is lost by it: what is still due when the site is back goes at once.
 */
import type { ClaimRequest, StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { QueueSettings } from "./settings.ts";

/** Recipients per claim: one page is one transaction and a few milliseconds of the spool. */
const pageMax = 500;
/** Of them for one domain: a flood leaves most of each page to others. */
const pagePerDomainMax = 100;
/** A smaller page costs as much as a large one. */
const pageMin = 50;
/** One page in this time finds what waits among others, and costs some per cent of a processor. */
const restMs = 1_000;
/** Domains left out of one claim: the statement stays small. What is claimed beyond them is deferred for a moment. */
const excludedDomainsMax = 1_000;

/** Between slow pages: a thousand recipients a second at most, 250 of one domain. */
const slowIntervalMs = 100;
/** A few milliseconds of the spool, to claim them and to write them back. */
const slowPageMax = 100;
/** As in a full page, most of it is for others. */
const slowPerDomainMax = 25;

/** Recipients of one half that wait for the same thing. */
export class Crowd {
  readonly domains: ReadonlySet<string>;
  waiting = 0;
  /** While it is full: with no more than this it has room again. */
  roomAt: number | undefined;

  /** `domains`: where they go, as far as that is known. */
  constructor(domains: ReadonlySet<string>) {
    this.domains = domains;
  }
}

/** A crowd in each half. */
export interface Crowds {
  readonly fresh: Crowd;
  readonly read: Crowd;
}

/** What may be read now, or how long to wait before it is asked for again; `onRoom` may come before. */
export type Page = Pick<ClaimRequest, "limit" | "perDomainMax" | "excludeDomains"> | { readonly waitMs: number };

export class ReadySpace {
  readonly #state: { readonly settings: Pick<QueueSettings, "ready"> };
  readonly #onRoom: () => void;
  readonly #fresh: Half;
  readonly #read: Half;
  /** With so much room the next page is worth reading; Infinity: nobody waits for it. */
  #enough = Infinity;
  #lastPageMs = -Infinity;
  /** Of what the last pages brought: recipients that joined a crowd, and those for which there was no room. */
  #joined = 0;
  #turnedAway = 0;
  readonly #pace = new UntriedPace();

  /** `state`: its settings may change. `onRoom`: the schedule holds something, perhaps, that may be read now. */
  constructor(state: { readonly settings: Pick<QueueSettings, "ready"> }, onRoom: () => void) {
    this.#state = state;
    this.#onRoom = onRoom;
    const size = () => Math.floor(state.settings.ready / 2);
    this.#fresh = new Half(size);
    this.#read = new Half(size);
  }

  get taken(): number {
    return this.#fresh.taken + this.#read.taken;
  }

  get max(): number {
    return this.#state.settings.ready;
  }

  /** All recipients of the claim are in memory from now on. A message with many is taken whole, room or not. */
  reserve(claim: Claim): void {
    this.#halfOf(claim).taken += claim.open;
  }

  /** So many of them are no longer in memory. */
  release(claim: Claim, recipients: number): void {
    this.#halfOf(claim).taken -= recipients;
    if (this.#read.room >= this.#enough) this.#madeRoom();
  }

  /** Whether fresh mail for this domain may come claimed. All of it is counted when it comes, so a crowd gets all of its share. */
  roomFor(domain: string): boolean {
    return this.hasFreshRoom && !this.#fresh.isExcluded(domain);
  }

  get hasFreshRoom(): boolean {
    return this.#fresh.room > 0;
  }

  /** The recipients' routes are being looked up. */
  awaitRoutes(claim: Claim, recipients: readonly StoredRecipient[]): void {
    const half = this.#halfOf(claim);
    // Of one domain half as much as of one site, since the page under way may bring as much again.
    const share = claim.fresh ? half.share : half.share / 4;
    for (const { domain } of recipients) half.join(half.routing(domain), 1, share);
  }

  /** Their routes are known, or not needed any more. */
  endRoutes(claim: Claim, recipients: readonly StoredRecipient[]): void {
    const half = this.#halfOf(claim);
    for (const { domain } of recipients) {
      const crowd = half.routing(domain);
      this.#leave(half, crowd, 1);
      half.forget(domain, crowd);
    }
  }

  /** Whether recipients of this claim may wait at the site of this crowd. To be asked once for each. */
  admits(claim: Claim, crowds: Crowds, recipients: number): boolean {
    const half = this.#halfOf(claim);
    const crowd = crowdOf(claim, crowds);
    const admitted = crowd.roomAt === undefined || crowd.waiting < half.share;
    if (admitted) this.#joined += claim.fresh ? 0 : recipients;
    else this.#turnedAway += claim.fresh ? 0 : recipients;
    return admitted;
  }

  join(claim: Claim, crowds: Crowds, recipients: number): void {
    const half = this.#halfOf(claim);
    // The other half of the share is for those that were on their way by now.
    half.join(crowdOf(claim, crowds), recipients, claim.fresh ? half.share : half.share / 2);
  }

  /** They begin, or are taken away. */
  leave(claim: Claim, crowds: Crowds, recipients: number): void {
    this.#leave(this.#halfOf(claim), crowdOf(claim, crowds), recipients);
  }

  /** Recipients that a page brought. */
  noteRead(recipients: number): void {
    this.#pace.read += recipients;
  }

  /** So many recipients of the claim go back without an attempt. May come after the next page was asked for. */
  noteUntried({ fresh }: Claim, recipients: number): void {
    if (!fresh) this.#pace.untried += recipients;
  }

  /** Asked before each page. `nowMs`: of the monotonic clock. */
  page(nowMs: number): Page {
    const isSlow = this.#pace.isSlow();
    if (isSlow && this.#lastPageMs + slowIntervalMs > nowMs) {
      return { waitMs: this.#lastPageMs + slowIntervalMs - nowMs };
    }
    const { room, share, size } = this.#read;
    this.#enough = Infinity;
    if (room <= 0) {
      this.#enough = 1;
      return { waitMs: Infinity };
    }
    // With a page of few recipients, and after one that was turned away for the most part (a relay host may have more domains
    // than a claim can leave out), reading rests: until there is more room, and at most for a moment, since others wait, too.
    const isSmall = room < Math.min(pageMin, size / 4);
    const waitMs = this.#lastPageMs + restMs - nowMs;
    if ((isSmall || this.#turnedAway > this.#joined) && waitMs > 0) {
      if (isSmall) this.#enough = size / 2;
      return { waitMs };
    }
    this.#lastPageMs = nowMs;
    this.#joined = 0;
    this.#turnedAway = 0;
    return {
      limit: Math.min(room, isSlow ? slowPageMax : pageMax),
      perDomainMax: Math.min(isSlow ? slowPerDomainMax : pagePerDomainMax, Math.ceil(share / 4)),
      excludeDomains: this.#read.excludedDomains(),
    };
  }

  #halfOf({ fresh }: Claim): Half {
    return fresh ? this.#fresh : this.#read;
  }

  #leave(half: Half, crowd: Crowd, recipients: number): void {
    if (half.leave(crowd, recipients) && half === this.#read) this.#madeRoom();
  }

  #madeRoom(): void {
    this.#enough = Infinity;
    // What is read next may be of use.
    this.#turnedAway = 0;
    this.#onRoom();
  }
}

/** Whether most of what was read lately came back untried. */
class UntriedPace {
  read = 0;
  untried = 0;
  #isSlow = false;

  /** As long as nothing more is read, the answer stays. */
  isSlow(): boolean {
    if (this.read > 0) {
      this.#isSlow = this.untried * 2 > this.read;
      this.read = 0;
      this.untried = 0;
    }
    return this.#isSlow;
  }
}

/** One half of the stage. */
class Half {
  readonly #size: () => number;
  readonly #routing = new Map<string, Crowd>();
  readonly #full = new Set<Crowd>();
  taken = 0;

  constructor(size: () => number) {
    this.#size = size;
  }

  get size(): number {
    return this.#size();
  }

  /** May be negative. */
  get room(): number {
    return this.size - this.taken;
  }

  /**
   * What one crowd may have: as much as half of what is left. One flood then takes a third, two take a half, and however many
   * there are, something is left for everybody else.
   */
  get share(): number {
    return Math.max(1, Math.floor(this.size / 16), Math.floor(this.room / 2));
  }

  /** The crowd that waits for routes to this domain. */
  routing(domain: string): Crowd {
    let crowd = this.#routing.get(domain);
    if (crowd === undefined) this.#routing.set(domain, (crowd = new Crowd(new Set([domain]))));
    return crowd;
  }

  forget(domain: string, { waiting }: Crowd): void {
    if (waiting === 0) this.#routing.delete(domain);
  }

  join(crowd: Crowd, recipients: number, fullWith: number): void {
    crowd.waiting += recipients;
    if (crowd.roomAt !== undefined || crowd.waiting < fullWith) return;
    crowd.roomAt = Math.floor(fullWith / 2);
    this.#full.add(crowd);
  }

  /** true: it was full, and has room again. */
  leave(crowd: Crowd, recipients: number): boolean {
    crowd.waiting -= recipients;
    if (crowd.roomAt === undefined || crowd.waiting > crowd.roomAt) return false;
    crowd.roomAt = undefined;
    return this.#full.delete(crowd);
  }

  isExcluded(domain: string): boolean {
    for (const { domains } of this.#full) if (domains.has(domain)) return true;
    return false;
  }

  excludedDomains(): readonly string[] {
    const domains = new Set<string>();
    for (const crowd of this.#full) {
      for (const domain of crowd.domains) {
        if (domains.size >= excludedDomainsMax) return [...domains];
        domains.add(domain);
      }
    }
    return [...domains];
  }
}

function crowdOf({ fresh }: Claim, crowds: Crowds): Crowd {
  return fresh ? crowds.fresh : crowds.read;
}
