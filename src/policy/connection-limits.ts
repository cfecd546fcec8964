/**
 * Who may have a connection: in total, per network, in rate, and in a TLS handshake. A connection is counted from the
 * moment the system hands it over, before any handshake. When the server is full, a newcomer takes the place of a
 * connection that says nothing, or of a session that has been idle; only where neither is left, the newcomer is refused.
 */
import type { Clock } from "../ports/clock.ts";
import { whenReady } from "../lib/when-ready.ts";
import type { ConnectionHolder, ConnectionId, ConnectionProgress, Entry, Newcomer } from "./admission.ts";
import { ConnectionPlaces, firstIdle, type Place, type Standing } from "./connection-places.ts";
import { type Refusal, refuse } from "./decision.ts";
import { networkKey } from "./network-key.ts";
import { RateLimit } from "./rate-limit.ts";
import type { LimitsSettings } from "./settings.ts";

type ConnectionNumbers = Pick<LimitsSettings, "connections" | "client_connections" | "client_connection_rate">;

/** A TLS handshake holds some 30 KB before a word was said: at most 30 MB on all listeners. */
const handshakesMax = 1000;
/** Connections that have heard a refusal, or are about to; the files kept free below have room for them. */
const leavingMax = 50;

/** Why a connection lost its place, or got none, without a reply. */
export type DropReason = "silent" | "idle" | "refused" | "client-connection-rate" | "network-banned" | "overloaded";

export interface ConnectionLimitsOptions {
  /** Sessions that the system can carry, whatever the settings say. */
  readonly ceiling?: number;
  /** Undefined: the server is not overloaded. */
  readonly overload?: () => Refusal | undefined;
  /** Of a network that is banned. */
  readonly refusalOfBan?: (newcomer: Newcomer) => Refusal | undefined;
  /** Told of each connection that is closed without a reply. */
  readonly dropped?: (address: string, reason: DropReason) => void;
}

export class ConnectionLimits {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #options: ConnectionLimitsOptions;
  readonly #places = new ConnectionPlaces();
  readonly #rate: RateLimit;
  #numbers: ConnectionNumbers;
  #holder: ConnectionHolder | undefined;

  constructor(numbers: ConnectionNumbers, clock: Pick<Clock, "monotonicMs">, options: ConnectionLimitsOptions = {}) {
    this.#numbers = numbers;
    this.#clock = clock;
    this.#options = options;
    this.#rate = new RateLimit(numbers.client_connection_rate);
  }

  serve(holder: ConnectionHolder): void {
    this.#holder = holder;
  }

  reconfigure(numbers: ConnectionNumbers): void {
    this.#numbers = numbers;
    this.#rate.perWindow = numbers.client_connection_rate;
  }

  /** Connections served now, those in a handshake among them. */
  get total(): number {
    return this.#places.served;
  }

  /** Undefined: there is no place, and the connection is to be closed at once. */
  enter(newcomer: Newcomer): Entry | undefined | Promise<Entry | undefined> {
    const ban = this.#options.refusalOfBan?.(newcomer);
    // A handshake would cost us more than the refusal costs the client.
    if (ban !== undefined) {
      return newcomer.handshake ? this.#dropped(newcomer, "network-banned") : this.#turnAway(newcomer, ban);
    }
    const overload = this.#options.overload?.();
    if (overload !== undefined) {
      return newcomer.handshake ? this.#dropped(newcomer, "overloaded") : this.#turnAway(newcomer, overload);
    }
    const key = newcomer.trusted ? undefined : networkKey(newcomer.address);
    if (key !== undefined && !this.#rate.take(key, this.#clock.monotonicMs())) {
      if (newcomer.handshake) return this.#dropped(newcomer, "client-connection-rate");
      const limit = this.#rate.perWindow;
      return this.#turnAway(newcomer, refuse("client-connection-rate", { limit }));
    }
    const { client_connections: perClient } = this.#numbers;
    if (key !== undefined && perClient > 0 && this.#places.servedOf(newcomer.address) >= perClient) {
      return this.#turnAway(newcomer, refuse("too-many-client-connections", { limit: perClient }));
    }
    if (newcomer.handshake && !this.#hasHandshakeFor(newcomer)) return this.#admitOrRefuse(newcomer, false);
    if (!this.#isFull || this.#dropSilent(newcomer, ["handshake", "silent"]))
      return this.#admitOrRefuse(newcomer, true);
    const asked = this.#places.nextSpeaking();
    const since = this.#holder?.idleSince(asked.map(({ connection }) => connection)) ?? [];
    return whenReady(since, (idleSinceMs) => {
      // Someone may have left meanwhile.
      const idle = this.#isFull ? firstIdle(asked, idleSinceMs, this.#clock.monotonicMs()) : undefined;
      if (idle !== undefined) this.#makeLeave(idle);
      return this.#admitOrRefuse(newcomer, idle !== undefined || !this.#isFull);
    });
  }

  #admitOrRefuse(newcomer: Newcomer, hasRoom: boolean): Entry {
    if (hasRoom) return this.#admit(newcomer, newcomer.handshake ? "handshake" : "silent");
    return this.#turnAway(newcomer, refuse("too-many-connections", { open: this.#places.served }));
  }

  get #isFull(): boolean {
    const { connections } = this.#numbers;
    return this.#places.served >= Math.min(connections, this.#options.ceiling ?? connections);
  }

  #hasHandshakeFor(newcomer: Newcomer): boolean {
    return this.#places.count("handshake") < handshakesMax || this.#dropSilent(newcomer, ["handshake"]);
  }

  /** false: none of them can go. */
  #dropSilent(newcomer: Newcomer, standings: readonly Standing[]): boolean {
    const silent = this.#places.firstSilent(newcomer, this.#clock.monotonicMs(), standings);
    if (silent !== undefined) this.#drop(silent, "silent");
    return silent !== undefined;
  }

  /** What becomes of a connection that has entered. */
  note(connection: ConnectionId, progress: ConnectionProgress): void {
    const place = this.#places.get(connection);
    if (place === undefined) return;
    if (progress === "left") this.#places.move(place, undefined);
    else if (progress === "established" && place.standing === "handshake") this.#places.move(place, "silent");
    else if (progress === "spoke" && place.standing === "silent") this.#places.move(place, "speaking");
  }

  #admit(newcomer: Newcomer, standing: Standing, refusal?: Refusal): Entry {
    const { connection } = this.#places.enter(newcomer, standing, this.#clock.monotonicMs());
    return { connection, ...(refusal !== undefined && { refusal }) };
  }

  /** The newcomer hears why; the oldest of those that have heard it makes room. */
  #turnAway(newcomer: Newcomer, refusal: Refusal): Entry {
    this.#makeRoomToLeave();
    return this.#admit(newcomer, "leaving", refusal);
  }

  #makeLeave(place: Place): void {
    this.#makeRoomToLeave();
    this.#places.move(place, "leaving");
    this.#options.dropped?.(place.newcomer.address, "idle");
    this.#holder?.drop(place.connection, true);
  }

  #makeRoomToLeave(): void {
    if (this.#places.count("leaving") < leavingMax) return;
    const oldest = this.#places.oldestLeaving();
    if (oldest !== undefined) this.#drop(oldest, "refused");
  }

  #drop(place: Place, reason: DropReason): void {
    this.#places.move(place, undefined);
    this.#dropped(place.newcomer, reason);
    this.#holder?.drop(place.connection, false);
  }

  #dropped({ address }: Newcomer, reason: DropReason): undefined {
    this.#options.dropped?.(address, reason);
  }
}

/** What a server has open with no session: its modules, threads, database, listeners and log, some fifty; and clients that leave. */
const openFilesWithoutSessions = 100;
/** For large contents, connections to next hops and files of mailboxes: a quarter, and of many no more than this. */
const openFilesOfWorkMax = 400;

/**
 * Sessions for which a system with so many open files has room. Beyond them it would hang up on clients without a word,
 * and fail to open contents of those who are in; so further ones rather hear 421.
 */
export function sessionsWithin(openFilesMax: number): number {
  const work = Math.min(openFilesOfWorkMax, Math.ceil(openFilesMax / 4));
  return Math.max(1, openFilesMax - openFilesWithoutSessions - work);
}
