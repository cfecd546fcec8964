/**
 * Who may have a connection: in total, per network, in rate, and in a TLS handshake. A connection is counted from the
 * moment the system hands it over, before any handshake. When the server is full, a newcomer takes the place of a
 * connection that says nothing, or of a session that has been idle; only where neither is left, the newcomer is refused.
 */
import type { Clock } from "../ports/clock.ts";
import { reply } from "../smtp/reply.ts";
import { ConnectionPlaces, type Newcomer, type Place, type Standing } from "./connection-places.ts";
import type { Decision, Refusal } from "./decision.ts";
import { networkKey } from "./network-key.ts";
import { RateLimit } from "./rate-limit.ts";
import type { LimitsSettings } from "./settings.ts";

type ConnectionNumbers = Pick<LimitsSettings, "connections" | "client_connections" | "client_connection_rate">;

/** A TLS handshake holds some 30 KB before a word was said: at most 30 MB on all listeners. */
const handshakesMax = 1000;
/** Connections that have heard a refusal, or are about to; the files kept free below have room for them. */
const leavingMax = 50;

const accepted: Decision = { verdict: "accept", reason: "within-limits" };

/** Why a connection lost its place, or got none, without a reply. */
export type DropReason = "silent" | "idle" | "refused" | "client-connection-rate";

export interface ConnectionLimitsOptions {
  /** Sessions that the system can carry, whatever the settings say. */
  readonly ceiling?: number;
  /** Told of each connection that is closed without a reply. */
  readonly dropped?: (address: string, reason: DropReason) => void;
}

/** A connection that was let in, if only to hear why it is refused. */
export interface Admission {
  readonly decision: Decision;
  /** The TLS handshake is done. */
  established(): void;
  /** The client has introduced itself. */
  spoke(): void;
  /** The connection is closed. Idempotent. */
  leave(): void;
}

export class ConnectionLimits {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #options: ConnectionLimitsOptions;
  readonly #places = new ConnectionPlaces();
  readonly #rate: RateLimit;
  #numbers: ConnectionNumbers;

  constructor(numbers: ConnectionNumbers, clock: Pick<Clock, "monotonicMs">, options: ConnectionLimitsOptions = {}) {
    this.#numbers = numbers;
    this.#clock = clock;
    this.#options = options;
    this.#rate = new RateLimit(numbers.client_connection_rate);
  }

  reconfigure(numbers: ConnectionNumbers): void {
    this.#numbers = numbers;
    this.#rate.perMinute = numbers.client_connection_rate;
  }

  /** Connections served now, those in a handshake among them. */
  get total(): number {
    return this.#places.served;
  }

  /** Undefined: there is no place, and the connection is to be closed at once. */
  enter(newcomer: Newcomer): Admission | undefined {
    const key = newcomer.trusted ? undefined : networkKey(newcomer.address);
    if (key !== undefined && !this.#rate.take(key, this.#clock.monotonicMs())) {
      // A handshake would cost us more than the refusal costs the client.
      if (newcomer.handshake) return this.#dropped(newcomer, "client-connection-rate");
      const text = "Too many connections from your network, try again later";
      return this.#turnAway(
        newcomer,
        refused("4.7.0", text, "client-connection-rate", "limits.client_connection_rate"),
      );
    }
    const { client_connections: perClient } = this.#numbers;
    if (key !== undefined && perClient > 0 && this.#places.servedOf(newcomer.address) >= perClient) {
      const text = "Too many sessions from your network, try again later";
      return this.#turnAway(
        newcomer,
        refused("4.7.0", text, "too-many-client-connections", "limits.client_connections"),
      );
    }
    if (!this.#hasRoomFor(newcomer)) {
      const text = "Too many sessions, try again later";
      return this.#turnAway(newcomer, refused("4.3.2", text, "too-many-connections", "limits.connections"));
    }
    return this.#admit(newcomer, newcomer.handshake ? "handshake" : "silent", accepted);
  }

  /** Makes room where there is none and somebody can go. */
  #hasRoomFor(newcomer: Newcomer): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (newcomer.handshake && this.#places.count("handshake") >= handshakesMax) {
      const silent = this.#places.firstSilent(newcomer, nowMs, ["handshake"]);
      if (silent === undefined) return false;
      this.#drop(silent, "silent");
    }
    const { connections } = this.#numbers;
    if (this.#places.served < Math.min(connections, this.#options.ceiling ?? connections)) return true;
    const silent = this.#places.firstSilent(newcomer, nowMs, ["handshake", "silent"]);
    if (silent !== undefined) {
      this.#drop(silent, "silent");
      return true;
    }
    const idle = this.#places.firstIdle(nowMs);
    if (idle === undefined) return false;
    this.#makeLeave(idle);
    return true;
  }

  #admit(newcomer: Newcomer, standing: Standing, decision: Decision): Admission {
    const places = this.#places;
    const place = places.enter(newcomer, standing, this.#clock.monotonicMs());
    return {
      decision,
      established: () => {
        if (place.standing === "handshake") places.move(place, "silent");
      },
      spoke: () => {
        if (place.standing === "silent") places.move(place, "speaking");
      },
      leave: () => places.move(place, undefined),
    };
  }

  /** The newcomer hears why; the oldest of those that have heard it makes room. */
  #turnAway(newcomer: Newcomer, decision: Refusal): Admission {
    this.#makeRoomToLeave();
    return this.#admit(newcomer, "leaving", decision);
  }

  #makeLeave(place: Place): void {
    this.#makeRoomToLeave();
    this.#places.move(place, "leaving");
    this.#options.dropped?.(place.newcomer.address, "idle");
    place.newcomer.drop(true);
  }

  #makeRoomToLeave(): void {
    if (this.#places.count("leaving") < leavingMax) return;
    const oldest = this.#places.oldestLeaving();
    if (oldest !== undefined) this.#drop(oldest, "refused");
  }

  #drop(place: Place, reason: DropReason): void {
    this.#places.move(place, undefined);
    this.#dropped(place.newcomer, reason);
    place.newcomer.drop(false);
  }

  #dropped({ address }: Newcomer, reason: DropReason): undefined {
    this.#options.dropped?.(address, reason);
  }
}

/** What a server has open with no session: its modules, threads, database, listeners and log, some fifty; and clients that leave. */
const OPEN_FILES_WITHOUT_SESSIONS = 100;
/** For large contents, connections to next hops and files of mailboxes: a quarter, and of many no more than this. */
const OPEN_FILES_OF_WORK_MAX = 400;

/**
 * Sessions for which a system with so many open files has room. Beyond them it would hang up on clients without a word,
 * and fail to open contents of those who are in; so further ones rather hear 421.
 */
export function sessionsWithin(openFilesMax: number): number {
  const work = Math.min(OPEN_FILES_OF_WORK_MAX, Math.ceil(openFilesMax / 4));
  return Math.max(1, openFilesMax - OPEN_FILES_WITHOUT_SESSIONS - work);
}

function refused(status: "4.3.2" | "4.7.0", text: string, reason: string, setting: string): Refusal {
  return { verdict: "defer", reply: reply(421, status, text), reason, setting };
}
