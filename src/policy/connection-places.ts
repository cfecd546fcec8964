/**
 * The connections that are open, by what they are at and by network: who takes how much, and who is the first to go when
 * a place is needed. Every step takes constant time. Whether anyone has to go is decided in `connection-limits.ts`.
 */
import { clientNetwork } from "../accounts/client-network.ts";
import type { ConnectionId, Newcomer } from "./admission.ts";

/**
 * A handshake and a greeting take round trips: while few say nothing, younger ones lose their place only to a network
 * that holds fewer. Where many do, the oldest have had their time, and a newcomer is more likely to speak.
 */
const silentGraceMs = 5000;
const fewSilent = 100;
/** A session that has done nothing for so long may be ended where no silent connection is left. */
const idleGraceMs = 10_000;
/** Connections looked at to find the one that goes, so that a full server accepts as fast as an empty one. */
const lookedAtMax = 32;

/**
 * `handshake`: TLS is not established. `silent`: the client has not introduced itself. `speaking`: it has. `leaving`: it
 * has heard a refusal, or is about to.
 */
export type Standing = "handshake" | "silent" | "speaking" | "leaving";

interface NetworkCount {
  readonly key: string;
  served: number;
}

/** One connection's place. */
export interface Place {
  readonly connection: ConnectionId;
  readonly newcomer: Newcomer;
  readonly network: NetworkCount;
  readonly enteredAtMs: number;
  /** undefined: it has left. */
  standing: Standing | undefined;
}

export class ConnectionPlaces {
  /** Each in the order of arrival. */
  readonly #places: Readonly<Record<Standing, Set<Place>>> = {
    handshake: new Set(),
    silent: new Set(),
    speaking: new Set(),
    leaving: new Set(),
  };
  /** All of them. */
  readonly #byConnection = new Map<ConnectionId, Place>();
  #lastConnection: ConnectionId = 0;
  /** Connections served, by network; a network without any has no entry. */
  readonly #networks = new Map<string, NetworkCount>();

  count(standing: Standing): number {
    return this.#places[standing].size;
  }

  /** All that are open and not leaving. */
  get served(): number {
    return this.count("handshake") + this.count("silent") + this.count("speaking");
  }

  servedOf(address: string): number {
    return this.#networks.get(clientNetwork(address))?.served ?? 0;
  }

  enter(newcomer: Newcomer, standing: Standing, nowMs: number): Place {
    const key = clientNetwork(newcomer.address);
    const network = this.#networks.get(key) ?? { key, served: 0 };
    const connection = ++this.#lastConnection;
    const place: Place = { connection, newcomer, network, enteredAtMs: nowMs, standing: undefined };
    this.#byConnection.set(connection, place);
    this.move(place, standing);
    return place;
  }

  /** undefined: it has left. */
  get(connection: ConnectionId): Place | undefined {
    return this.#byConnection.get(connection);
  }

  /** `to` undefined: it leaves. */
  move(place: Place, to: Standing | undefined): void {
    const from = place.standing;
    if (from === to) return;
    if (from !== undefined) this.#places[from].delete(place);
    if (to === undefined) this.#byConnection.delete(place.connection);
    else this.#places[to].add(place);
    place.standing = to;
    this.#count(place, Number(isServed(to)) - Number(isServed(from)));
  }

  /** The one that says nothing and whose network holds the most, the oldest of these first. */
  firstSilent(newcomer: Newcomer, nowMs: number, standings: readonly Standing[]): Place | undefined {
    const ofNewcomer = this.servedOf(newcomer.address);
    const few = standings.reduce((sum, standing) => sum + this.count(standing), 0) < fewSilent;
    let found: Place | undefined;
    for (const standing of standings) {
      for (const place of first(this.#places[standing], lookedAtMax)) {
        const young = nowMs - place.enteredAtMs < silentGraceMs;
        const spared = few && young && place.network.served <= ofNewcomer + 1;
        if (!spared && goesBefore(place, found)) found = place;
      }
    }
    return found;
  }

  /** The next few sessions, one of which may be idle: they are the last to be looked at the next time. */
  nextSpeaking(): readonly Place[] {
    const { speaking } = this.#places;
    const next = [...first(speaking, lookedAtMax)];
    for (const place of next) {
      speaking.delete(place);
      speaking.add(place);
    }
    return next;
  }

  oldestLeaving(): Place | undefined {
    return this.#places.leaving.values().next().value;
  }

  #count({ network }: Place, change: number): void {
    network.served += change;
    if (network.served > 0) this.#networks.set(network.key, network);
    else if (this.#networks.get(network.key) === network) this.#networks.delete(network.key);
  }
}

/** Of these sessions, the one that goes because it has been idle between commands. `idleSinceMs`: of each. */
export function firstIdle(
  places: readonly Place[],
  idleSinceMs: readonly (number | undefined)[],
  nowMs: number,
): Place | undefined {
  let found: Place | undefined;
  for (const [index, place] of places.entries()) {
    const since = idleSinceMs[index];
    const idle = place.standing === "speaking" && since !== undefined && nowMs - since >= idleGraceMs;
    if (idle && goesBefore(place, found)) found = place;
  }
  return found;
}

function isServed(standing: Standing | undefined): boolean {
  return standing !== undefined && standing !== "leaving";
}

function goesBefore(place: Place, other: Place | undefined): boolean {
  if (other === undefined || place.network.served > other.network.served) return true;
  return place.network.served === other.network.served && place.enteredAtMs < other.enteredAtMs;
}

function* first<T>(values: Iterable<T>, max: number): Generator<T> {
  let count = 0;
  for (const value of values) {
    if (count++ === max) return;
    yield value;
  }
}
