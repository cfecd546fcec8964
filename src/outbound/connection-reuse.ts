/**
 * Connections that finished a transaction and wait a moment for the next message to the same site.
 *
 * Owns them from `park` to `take`; promises that one is handed out only under the key it was parked with, so what
 * differs in site, port or login never shares a connection; only for a host and the very demand of TLS that it was made under,
 * so that a stricter demand never meets a connection of a weaker one; and that none stays open longer than the idle time. A connection that the peer closes meanwhile is noticed at `take`.
 */
import type { Clock, Timer } from "../ports/clock.ts";
import type { Instant } from "../lib/instant.ts";
import { demandKey } from "../ports/tls-demand.ts";
import type { TlsDecision } from "../route/next-hop.ts";
import type { SmtpClientConnection } from "./smtp-client-connection.ts";

/** A host, and what is demanded of it ({@link demandKey}). */
export interface HostDemand {
  readonly host: string;
  readonly demand: string;
}

/** A connection that is ready for a transaction, whom it leads to, and what TLS had to give. */
export interface OpenSession {
  readonly connection: SmtpClientConnection;
  readonly host: string;
  readonly tls: TlsDecision;
  readonly address: string;
  /** It was opened with HELO because the server hangs up on EHLO. */
  readonly hungUpOnEhlo?: true;
}

interface Parked {
  readonly session: OpenSession;
  readonly until: Instant;
}

/** Idle connections of all sites together; each costs a file descriptor here and a process at the peer. */
const parkedMax = 500;
/** Connections that wait for the answer to QUIT, up to five seconds each. Beyond them a connection is closed without it. */
const quittingMax = 500;

export class ConnectionReuse {
  readonly #clock: Clock;
  readonly #parked = new Map<string, Parked[]>();
  readonly #quitting = new Set<Promise<void>>();
  #count = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The most recently parked one that is alive, was made under one of `demands`, and suits; it is the caller's from here on.
   * Where none does, the caller opens another in the place of the oldest, which ends: a kept connection counts for the site's
   * server like any other.
   */
  take(key: string, demands: readonly HostDemand[], suits: (session: OpenSession) => boolean): OpenSession | undefined {
    const parked = this.#parked.get(key);
    if (parked === undefined) return undefined;
    for (let index = parked.length - 1; index >= 0; index--) {
      const session = parked[index]?.session;
      if (session === undefined) continue;
      if (session.connection.usable && !(isDemanded(session, demands) && suits(session))) continue;
      parked.splice(index, 1);
      this.#count--;
      if (session.connection.usable) return session;
      session.connection.destroy();
    }
    const oldest = parked.shift();
    if (oldest === undefined) return undefined;
    this.#count--;
    this.quit(oldest.session);
    return undefined;
  }

  /** Ends the oldest idle connections to the address, whoever they are kept for, until so many are left. */
  makeRoom(address: string, idleMax: number): void {
    const there = [...this.#parked].flatMap(([key, parked]) =>
      parked.filter(({ session }) => session.address === address).map((entry) => ({ key, entry })),
    );
    const excess = there
      .toSorted((a, b) => a.entry.until - b.entry.until)
      .slice(0, Math.max(0, there.length - idleMax));
    for (const { key, entry } of excess) {
      const left = (this.#parked.get(key) ?? []).filter((other) => other !== entry);
      if (left.length === 0) this.#parked.delete(key);
      else this.#parked.set(key, left);
      this.#count--;
      this.quit(entry.session);
    }
  }

  /** Keeps the session for `idleMs`, then says QUIT. */
  park(key: string, session: OpenSession, idleMs: number): void {
    if (this.#closed || idleMs <= 0 || this.#count >= parkedMax) return this.quit(session);
    const entry: Parked = { session, until: this.#clock.monotonicMs() + idleMs };
    const parked = this.#parked.get(key);
    if (parked === undefined) this.#parked.set(key, [entry]);
    else parked.push(entry);
    this.#count++;
    this.#timer ??= this.#clock.setTimer(idleMs, () => this.#sweep());
  }

  /** Says QUIT where the server can read it, and owns the wait for its answer. */
  quit({ connection }: Pick<OpenSession, "connection">): void {
    if (!connection.mayQuit || this.#quitting.size >= quittingMax) return connection.destroy();
    const quitting = connection.quit().finally(() => {
      connection.destroy();
      this.#quitting.delete(quitting);
    });
    this.#quitting.add(quitting);
  }

  /** Resolves when every connection is closed; the wait for answers to QUIT bounds it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const parked of this.#parked.values()) for (const { session } of parked) this.quit(session);
    this.#parked.clear();
    this.#count = 0;
    await Promise.all(this.#quitting);
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonicMs();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, parked] of this.#parked) {
      const alive = parked.filter((entry) => entry.until > now && entry.session.connection.usable);
      for (const entry of parked) if (!alive.includes(entry)) this.quit(entry.session);
      this.#count -= parked.length - alive.length;
      if (alive.length === 0) this.#parked.delete(key);
      else this.#parked.set(key, alive);
      for (const { until } of alive) next = Math.min(next, until);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#timer = this.#clock.setTimer(next - now, () => this.#sweep());
  }
}

function isDemanded({ host, tls }: OpenSession, demands: readonly HostDemand[]): boolean {
  const made = demandKey(tls.demand);
  return demands.some((wanted) => wanted.host === host && wanted.demand === made);
}
