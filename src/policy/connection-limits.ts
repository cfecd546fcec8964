/** Whether a client may open a session: total, per client, and rate. Counts sessions from `open` to `close`. */
import type { Instant } from "../lib/instant.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";
import { networkKey } from "./network-key.ts";
import { RateLimit } from "./rate-limit.ts";
import type { LimitsSettings } from "./settings.ts";

type ConnectionNumbers = Pick<LimitsSettings, "connections" | "client_connections" | "client_connection_rate">;

const accepted: Decision = { verdict: "accept", reason: "within-limits" };

export class ConnectionLimits {
  readonly #perClient = new Map<string, number>();
  readonly #rate: RateLimit;
  #numbers: ConnectionNumbers;
  readonly #ceiling: number;
  #total = 0;

  /** `ceiling`: sessions that the system can carry, whatever the settings say. */
  constructor(numbers: ConnectionNumbers, ceiling = Number.POSITIVE_INFINITY) {
    this.#numbers = numbers;
    this.#ceiling = ceiling;
    this.#rate = new RateLimit(numbers.client_connection_rate);
  }

  reconfigure(numbers: ConnectionNumbers): void {
    this.#numbers = numbers;
    this.#rate.perMinute = numbers.client_connection_rate;
  }

  /** Sessions counted now. */
  get total(): number {
    return this.#total;
  }

  /**
   * Counts the session, also a refused one, which lives until it has heard why: {@link close} must follow in both cases.
   * `trusted`: in `relay.networks`, counted in the total only.
   */
  open(address: string, trusted: boolean, now: Instant): Decision {
    const key = trusted ? undefined : networkKey(address);
    this.#total++;
    const ofClient = key === undefined ? 0 : (this.#perClient.get(key) ?? 0) + 1;
    if (key !== undefined) this.#perClient.set(key, ofClient);
    const { connections, client_connections: perClient } = this.#numbers;
    if (this.#total > Math.min(connections, this.#ceiling)) {
      return refused("4.3.2", "Too many sessions, try again later", "too-many-connections", "limits.connections");
    }
    if (key === undefined) return accepted;
    if (perClient > 0 && ofClient > perClient) {
      const text = "Too many sessions from your network, try again later";
      return refused("4.7.0", text, "too-many-client-connections", "limits.client_connections");
    }
    if (!this.#rate.take(key, now)) {
      const text = "Your network connects too often, try again later";
      return refused("4.7.0", text, "client-connection-rate", "limits.client_connection_rate");
    }
    return accepted;
  }

  /** `address` and `trusted` as given to {@link open}. */
  close(address: string, trusted: boolean): void {
    this.#total--;
    const key = trusted ? undefined : networkKey(address);
    if (key === undefined) return;
    const left = (this.#perClient.get(key) ?? 1) - 1;
    if (left > 0) this.#perClient.set(key, left);
    else this.#perClient.delete(key);
  }
}

/** What a server has open with no session: its modules, threads, database, listeners and log, some fifty. */
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

function refused(status: "4.3.2" | "4.7.0", text: string, reason: string, setting: string): Decision {
  return { verdict: "defer", reply: reply(421, status, text), reason, setting };
}
