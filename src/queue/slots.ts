/**
 * Slots: how many deliveries may be under way at once, and for whom. One stranger whose servers never answer must not
 * hold up anyone else, so no kind of work can take every slot:
 *
 * - Local agents have slots of their own, apart from those of the network.
 * - A quarter of the network's slots is for sites that answered promptly of late.
 * - Reports, which anyone can make us owe, take at most half of them where the site has not answered.
 * - One IP address gets twice what one site gets, however many names it has. Connections that are kept for the next
 *   message count: they end where a delivery needs their place.
 */
import type { NextHop } from "../route/next-hop.ts";
import type { QueueSettings } from "./settings.ts";
import type { ReadyJob, Site } from "./site.ts";

/** Per kind of local agent: a few stores that hang leave room for the others. */
const localMax = 100;
const sitesPerAddress = 2;
const nobody: readonly Site[] = [];

/** Slots of one sort, and the sites that wait for one of them, in the order in which they came. */
class Pool {
  readonly max: () => number;
  /** Whose deliveries, in words for people. */
  readonly whose: string;
  /** Of the deliveries to one address. */
  readonly address: string | undefined;
  readonly waiting = new Set<Site>();
  taken = 0;

  constructor(max: () => number, whose: string, address?: string) {
    this.max = max;
    this.whose = whose;
    this.address = address;
  }

  get hasRoom(): boolean {
    return this.taken < this.max();
  }
}

/** What one delivery has taken, until it ends. */
interface Slot {
  readonly pools: readonly Pool[];
  address: string | undefined;
}

export class Slots {
  readonly #state: { readonly settings: Pick<QueueSettings, "deliveries" | "deliveries_per_site"> };
  readonly #network: Pool;
  /** Network deliveries to sites that have not answered of late. */
  readonly #unproven: Pool;
  readonly #unprovenReports: Pool;
  readonly #local = new Map<NextHop["kind"], Pool>();
  /** Addresses of deliveries under way. */
  readonly #addresses = new Map<string, Pool>();
  /** Pools for which a site waits. */
  readonly #wanted = new Set<Pool>();
  /** Sites that wait, each for one pool. */
  readonly #waiting = new Map<Site, Pool>();
  /** Deliveries under way. */
  readonly #slots = new Map<ReadyJob, Slot>();

  /** `state`: its settings may change. */
  constructor(state: { readonly settings: Pick<QueueSettings, "deliveries" | "deliveries_per_site"> }) {
    this.#state = state;
    this.#network = new Pool(() => state.settings.deliveries, "to other servers");
    this.#unproven = new Pool(
      () => state.settings.deliveries - Math.floor(state.settings.deliveries / 4),
      "to servers that have not answered in the last hour",
    );
    this.#unprovenReports = new Pool(
      () => Math.ceil(state.settings.deliveries / 2),
      "of reports to servers that have not answered in the last hour",
    );
  }

  /** Deliveries under way to other servers. */
  get network(): number {
    return this.#network.taken;
  }

  /** Takes what the job needs. false: there is no room, and its site waits for it. */
  take(job: ReadyJob, nowMs: number): boolean {
    const pools = this.#poolsFor(job, nowMs);
    const address = firstAddress(job.hop);
    const there = address === undefined ? undefined : this.#addresses.get(address);
    const full = pools.find((pool) => !pool.hasRoom) ?? (there?.hasRoom === false ? there : undefined);
    if (full !== undefined) {
      full.waiting.add(job.site);
      this.#waiting.set(job.site, full);
      this.#wanted.add(full);
      return false;
    }
    for (const pool of pools) pool.taken++;
    const slot: Slot = { pools, address: undefined };
    this.#slots.set(job, slot);
    if (address !== undefined) this.#enterAddress(slot, address);
    return true;
  }

  /** Whether only a report is kept from beginning: other mail of the site may still begin. */
  refusesReportsOnly({ claim, hop, site }: ReadyJob, nowMs: number): boolean {
    if (hop.kind !== "smtp" || claim.message.reversePath !== "" || site.health.isProven(nowMs)) return false;
    return !this.#unprovenReports.hasRoom && this.#unproven.hasRoom && this.#network.hasRoom;
  }

  isWaiting(site: Site): boolean {
    return this.#waiting.has(site);
  }

  /** What the site waits for, in words for people; undefined: for no slot. */
  fullFor(site: Site): string | undefined {
    const pool = this.#waiting.get(site);
    return pool && `all ${pool.max()} deliveries ${pool.whose} are in progress`;
  }

  /** Where the delivery goes on now. */
  addressOf(job: ReadyJob): string | undefined {
    return this.#slots.get(job)?.address;
  }

  /** Connections that may wait there for the next message, beside those of deliveries under way. */
  idleMax(address: string): number {
    return Math.max(0, this.#addressMax() - (this.#addresses.get(address)?.taken ?? 0));
  }

  /** The delivery goes on at another address; false: too many are under way there. */
  moveTo(job: ReadyJob, address: string): boolean {
    const slot = this.#slots.get(job);
    // One that was given up as stuck has no slot any more.
    if (slot === undefined || this.#addresses.get(address)?.hasRoom === false) return false;
    this.#leaveAddress(slot);
    this.#enterAddress(slot, address);
    return true;
  }

  release(job: ReadyJob): void {
    const slot = this.#slots.get(job);
    if (slot === undefined) return;
    this.#slots.delete(job);
    for (const pool of slot.pools) pool.taken--;
    this.#leaveAddress(slot);
  }

  /** The site no longer waits: it has something else to begin, or nothing any more. */
  forget(site: Site): void {
    const pool = this.#waiting.get(site);
    if (pool === undefined) return;
    this.#waiting.delete(site);
    pool.waiting.delete(site);
    if (pool.waiting.size > 0) return;
    this.#wanted.delete(pool);
    this.#dropUnused(pool);
  }

  /** It answered just now, and need no longer wait for a slot that strangers have. */
  noteProven(site: Site): void {
    const pool = this.#waiting.get(site);
    if (pool === this.#unproven || pool === this.#unprovenReports) this.forget(site);
  }

  /** Sites, one for each pool, that waited for what there is room for now. */
  wakened(): readonly Site[] {
    if (this.#wanted.size === 0) return nobody;
    const sites: Site[] = [];
    for (const pool of this.#wanted) {
      const [site] = pool.waiting;
      if (site === undefined || !pool.hasRoom) continue;
      this.forget(site);
      sites.push(site);
    }
    return sites;
  }

  #poolsFor({ claim, hop, site }: ReadyJob, nowMs: number): Pool[] {
    if (hop.kind !== "smtp") return [this.#localPool(hop.kind)];
    if (site.health.isProven(nowMs)) return [this.#network];
    if (claim.message.reversePath !== "") return [this.#network, this.#unproven];
    return [this.#network, this.#unproven, this.#unprovenReports];
  }

  #localPool(kind: NextHop["kind"]): Pool {
    let pool = this.#local.get(kind);
    if (pool === undefined) this.#local.set(kind, (pool = new Pool(() => localMax, `of the kind ${kind}`)));
    return pool;
  }

  #enterAddress(slot: Slot, address: string): void {
    let pool = this.#addresses.get(address);
    if (pool === undefined) {
      pool = new Pool(() => this.#addressMax(), `to the address ${address}`, address);
      this.#addresses.set(address, pool);
    }
    pool.taken++;
    slot.address = address;
  }

  #addressMax(): number {
    return this.#state.settings.deliveries_per_site * sitesPerAddress;
  }

  #leaveAddress(slot: Slot): void {
    const pool = slot.address === undefined ? undefined : this.#addresses.get(slot.address);
    slot.address = undefined;
    if (pool === undefined) return;
    pool.taken--;
    this.#dropUnused(pool);
  }

  #dropUnused({ address, taken, waiting }: Pool): void {
    if (address !== undefined && taken === 0 && waiting.size === 0) this.#addresses.delete(address);
  }
}

/** Where the attempt begins. */
function firstAddress(hop: NextHop): string | undefined {
  return hop.kind === "smtp" ? hop.hosts[0]?.addresses[0] : undefined;
}
